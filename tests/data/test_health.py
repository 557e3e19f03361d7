import json

import numpy as np
import pytest

from stbench.cli import main
from stbench.data.check import check_pair
from stbench.data.health import pattern, side, structure
from stbench.data.sources import catalogue
from stbench.datasets import Card

REAL = {  # README of the shared pairs: cells, spots, sc, st and shared genes, zeros sc and st, structure r
    "drosophila_embryo_bdtnp": (1297, 3039, 8924, 84, 84, 0.63, 0.00, 0.54),
    "pdac_a_st": (1926, 428, 19736, 19736, 19736, 0.92, 0.95, 0.39),
    "osmfish_ssp": (5613, 3405, 33, 33, 33, 0.76, 0.30, 0.61),
    "merfish_hypothalamus": (1308, 750, 134, 134, 134, 0.91, 0.55, 0.67),
    "starmap_visp_mop10x": (11444, 930, 500, 996, 142, 0.86, 0.71, 0.46),
    "starmap_visp_zeisel200": (200, 930, 3529, 996, 306, 0.21, 0.71, 0.16),
    "breast_her2st_h1": (1564, 613, 29733, 15029, 14903, 0.98, 0.93, 0.14),
    "visium_hippocampus": (510, 313, 307, 276, 124, 0.55, 0.01, 0.54),
    "slideseq_cerebellum_mini": (475, 100, 384, 378, 378, 0.42, 0.81, 0.17),
}


def texts(found, level):
    return " ".join(finding.text for finding in found.findings if finding.level == level)


@pytest.fixture
def big_pair(make_pair):
    """Enough cells, spots and genes that nothing asks for care."""
    return make_pair(n_cells=300, n_spots=300, n_genes=60, extra=10)


def test_figures_of_a_side(make_pair):
    _, spatial = make_pair()
    values = spatial.X.toarray()
    values[:, 3] = 2
    values[1], spatial.obsm["spatial"][1] = values[0], spatial.obsm["spatial"][0]
    spatial.X = values
    found = side(spatial)
    assert (found.rows, found.genes, found.constant_genes, found.repeated_rows) == (50, 24, 1, 1)
    assert found.zeros == pytest.approx((values == 0).mean())
    assert found.median_total == np.median(values.sum(axis=1))
    assert found.median_genes == np.median((values > 0).sum(axis=1))


def test_equal_values_at_other_places_are_no_copies(make_pair):
    _, spatial = make_pair()
    values = spatial.X.toarray()
    values[1] = values[0]
    spatial.X = values
    assert side(spatial).repeated_rows == 0


def test_a_sound_pair(big_pair):
    found = check_pair(*big_pair, Card("x"))
    assert found.fit
    assert texts(found, "care") == ""
    assert found.structure.r > 0.5 > found.structure.null
    assert found.structure.p == 1 / 500
    assert found.pattern.mean > found.pattern.null
    assert found.shared_genes == found.benchmark_genes == 60


def test_shuffled_gene_names_on_one_side_are_a_wrong_pairing(big_pair):
    reference, spatial = big_pair
    for seed in range(5):
        spatial.var_names = np.random.default_rng(seed).permutation(spatial.var_names)
        found = check_pair(reference, spatial, Card("x"))
        assert not found.fit
        assert "Wrong pairing" in texts(found, "stop")


def test_shuffled_spots_are_spatially_uninformative(big_pair):
    reference, spatial = big_pair
    spatial.obsm["spatial"] = np.random.default_rng(0).permutation(spatial.obsm["spatial"])
    found = check_pair(reference, spatial, Card("x"))
    assert found.fit
    assert "Spatially uninformative" in texts(found, "care")


def test_morans_i_of_a_ramp_and_of_a_chessboard():
    from anndata import AnnData

    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2)
    board = np.where((grid.sum(axis=1) % 2) == 0, 10.0, 0.0)
    values = np.stack([10 * grid[:, 0], board], axis=1).astype(np.float32)
    table = AnnData(values, obsm={"spatial": grid})
    table.var_names = ["ramp", "board"]
    found = pattern(table, units="intensity")
    assert found.top["ramp"] > 0.8
    assert found.top["board"] < 0


def test_no_coordinates_and_few_genes(make_pair):
    reference, spatial = make_pair(n_genes=8)
    del spatial.obsm["spatial"]
    found = check_pair(reference, spatial, Card("x"))
    assert not found.fit
    assert "Only 8 shared genes" in texts(found, "stop")
    assert "will be unsupported" in texts(found, "care")
    assert found.pattern is None
    assert structure(reference, spatial) is None


def test_what_cannot_be_prepared_is_a_finding(make_pair):
    reference, spatial = make_pair()
    spatial.var_names = [f"ENSMUSG{i:011d}" for i in range(spatial.n_vars)]
    found = check_pair(reference, spatial, Card("x"))
    assert not found.fit
    assert "share no gene names" in texts(found, "stop")
    assert "24 are Ensembl ids (ENSMUSG00000000000) while the reference has symbols" in texts(found, "stop")
    spatial.X.data[0] = -1
    assert "negative values" in texts(check_pair(reference, spatial, Card("x")), "stop")


def test_odd_values_and_names(make_pair):
    reference, spatial = make_pair()
    spatial.X = spatial.X * 0.5
    for table in (reference, spatial):
        table.var_names = ["1-Mar", *table.var_names[1:]]
    del reference.obs["cell_type"]
    found = check_pair(reference, spatial, Card("x"))
    assert "The spatial table holds intensities" in texts(found, "care")
    assert "1 gene names are dates made by a spreadsheet (1-Mar)" in texts(found, "care")
    assert "Only 24 genes: one split tests 2 or 3 of them" in texts(found, "care")
    assert "no obs['cell_type']" in texts(found, "note")


def run_cli(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["stbench", "data", *map(str, arguments)])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    return code, capsys.readouterr()


def test_check_on_the_command_line(big_pair, tmp_path, monkeypatch, capsys):
    reference, spatial = big_pair
    (tmp_path / "mine").mkdir()
    reference.write_h5ad(tmp_path / "mine" / "sc.h5ad")
    spatial.write_h5ad(tmp_path / "mine" / "st.h5ad")
    code, said = run_cli(monkeypatch, capsys, "check", tmp_path / "mine")
    assert code == 0
    assert said.out.endswith("FIT\n")
    assert "300 x 60 genes" in said.out
    spatial.var_names = np.random.default_rng(0).permutation(spatial.var_names)
    spatial.write_h5ad(tmp_path / "mine" / "st.h5ad")
    code, said = run_cli(monkeypatch, capsys, "check", tmp_path / "mine", "--json")
    assert code == 1
    found = json.loads(said.out)
    assert not found["fit"]
    assert found["findings"][-1]["text"].startswith("Wrong pairing")
    code, said = run_cli(monkeypatch, capsys, "check", tmp_path)
    assert code == 1
    assert "stbench data convert" in said.err
    code, said = run_cli(monkeypatch, capsys, "check", tmp_path / "none")
    assert said.err == f"Error: Folder '{tmp_path / 'none'}' does not exist.\n"


def test_info_of_a_dataset_that_is_not_here(monkeypatch, capsys):
    code, said = run_cli(monkeypatch, capsys, "info", "MC")
    assert code == 0
    assert "Slide-seqV2" in said.out
    assert "stbench data fetch MC" in said.out
    code, said = run_cli(monkeypatch, capsys, "info", "MC", "--json")
    assert json.loads(said.out)["card"]["expected"]["spots_raw"] == 41674


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_pairs_have_the_figures_of_their_readme(real_data, name):
    dataset = catalogue([real_data])[name]
    found = check_pair(*dataset.load(), dataset.card)
    cells, spots, sc_genes, st_genes, shared, zeros_sc, zeros_st, r = REAL[name]
    assert (found.reference.rows, found.spatial.rows) == (cells, spots)
    assert (found.reference.genes, found.spatial.genes, found.shared_genes) == (sc_genes, st_genes, shared)
    assert found.reference.zeros == pytest.approx(zeros_sc, abs=0.011)
    assert found.spatial.zeros == pytest.approx(zeros_st, abs=0.011)
    assert found.structure.r == pytest.approx(r, abs=0.04)
    assert found.fit
    care = texts(found, "care")
    weak = ("breast_her2st_h1", "starmap_visp_zeisel200", "slideseq_cerebellum_mini")
    assert ("Weak pairing" in care) == (name in weak)
    assert ("Spatially uninformative" in care) == (name == "slideseq_cerebellum_mini")
    assert ("316 of 3405 spots are exact copies" in care) == (name == "osmfish_ssp")


@pytest.mark.real
@pytest.mark.parametrize("name", ["merfish_hypothalamus", "osmfish_ssp"])
def test_real_pairs_with_shuffled_names_are_wrong_pairings(real_data, name):
    dataset = catalogue([real_data])[name]
    reference, spatial = dataset.load()
    spatial.var_names = np.random.default_rng(1).permutation(spatial.var_names)
    found = check_pair(reference, spatial, dataset.card)
    assert "Wrong pairing" in texts(found, "stop")
