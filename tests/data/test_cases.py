"""Odd inputs modelled on public bug reports: each is read right, or refused in one line.

The scripts in ``shared/cases`` write them. They are made of one tissue: 300 cells x 60 genes, 300 spots x 40
genes, all of these in the reference, a median of 85.5 counts per spot and 178 per cell.
"""

import runpy
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from stbench.cli import main
from stbench.data.check import check_pair
from stbench.data.prepare import prepare
from stbench.data.sources import catalogue, dataset_called
from stbench.dataset import Card

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
SPOTS_TOTAL, CELLS_TOTAL, SHARED = 85.5, 178.0, 40
MATCHED = {"ensembl_versions", "r_dots", "odd_names"}  # with --match-genes all genes are shared

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A function that writes the input of a case, once, and returns its folder."""
    if not CASES.is_dir():
        pytest.skip("the odd inputs are not here (shared/cases)")
    folder = tmp_path_factory.mktemp("cases")

    def write(name):
        if not (folder / name).exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", ["case", str(folder / name)])
                runpy.run_path(str(CASES / f"{name}.py"), run_name="__main__")
        return folder / name

    return write


@pytest.fixture
def stbench(monkeypatch, capsys):
    """A function that runs a command in this process: exit code, output, error line."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["stbench", *map(str, words)])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def convert(stbench, tmp_path):
    """A function that converts two tables: exit code, output, error line, and the pair or None."""

    def run(reference, spatial, *options):
        out = tmp_path / "mine"
        words = "--reference", reference, "--spatial", spatial, "--out", out, *options
        code, said, error = stbench("data", "convert", *words)
        pair = dataset_called(str(out), catalogue([])) if out.is_dir() else None
        return code, said, error, pair

    return run


def figures(dataset):
    """Shared genes, median total of spots and of cells of the prepared pair."""
    found = check_pair(*dataset.load(), dataset.card)
    totals = (
        (None, None) if found.spatial is None else (found.spatial.median_total, found.reference.median_total)
    )
    return found.shared_genes, *totals


RIGHT = {  # case: spatial table, options
    "citeseq_h5ad": ("st_in.h5ad", []),
    "counts_layer_other_name": ("st_in.h5ad", []),
    "dtypes": ("st_in.h5ad", []),
    "dup_obs": ("st_in.h5ad", ["--coordinates", "pos.csv"]),
    "ensembl_versions": ("st_in.h5ad", ["--match-genes"]),
    "geo_positions": ("st_in.h5ad", ["--coordinates", "GSM123_tissue_positions_list.csv.gz"]),
    "layers_only": ("st_in.h5ad", []),
    "legacy_h5ad": ("st_in.h5ad", []),
    "merscope_cell_col": ("cell_by_gene.csv", ["--coordinates", "cell_metadata.csv"]),
    "mex_two_cols": ("mex", ["--coordinates", "pos.csv"]),
    "nan_labels": ("st_in.h5ad", []),
    "odd_names": ("st_in.h5ad", ["--match-genes"]),
    "ok": ("st_in.h5ad", []),
    "r_dots": ("st_in.h5ad", ["--match-genes"]),
    "slideseq_puck": ("MappedDGEForR.csv", ["--coordinates", "BeadLocationsForR.csv"]),
    "spatial_df": ("st_in.h5ad", []),
    "st_tsv_coords_in_names": ("spots.tsv.gz", []),
    "two_sections": ("st_in.h5ad", []),
    "x_spatial": ("st_in.h5ad", []),
    "xenium_mex_reference_h5ad": ("st_in.h5ad", []),
    "xenium_parquet_bytes": ("st_in.h5ad", ["--coordinates", "cells.parquet"]),
}
SAID = {  # what must be said, besides
    "citeseq_h5ad": "reference: 20 features are no genes and left out (20 Antibody Capture)",
    "counts_layer_other_name": "spatial table: X does not hold counts, the counts in 'raw_count' are taken",
    "dup_obs": "2 sections (obs column 'section') are shifted apart",
    "ensembl_versions": "0 of 40 measured genes are in the reference. 40 differ by the version at the end",
    "geo_positions": "rows matched to spots by column 'barcode'",
    "merscope_cell_col": "names from column 'cell'",
    "nan_labels": "90 of 300 cells have no label",
    "odd_names": "1 differs by spaces",
    "r_dots": "13 of 40 measured genes are in the reference. 27 differ by dots for other signs",
    "slideseq_puck": "MappedDGEForR.csv: genes are in rows",
    "st_tsv_coords_in_names": "coordinates from the names of spots",
    "two_sections": "2 sections (obs column 'library_id') are shifted apart",
    "x_spatial": "coordinates from obsm['X_spatial']",
    "xenium_mex_reference_h5ad": "30 Negative Control Probe, 30 Negative Control Codeword, 30 Blank Codeword",
    "xenium_parquet_bytes": "rows matched to spots by column 'cell_id'",
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_that_is_read_right(case, convert, name):
    folder = case(name)
    spatial, options = RIGHT[name]
    options = [folder / word if (folder / word).is_file() else word for word in options]
    code, said, error, pair = convert(folder / "sc_in.h5ad", folder / spatial, *options)
    assert (code, error) == (0, "")
    assert SAID.get(name, "40 of 40 measured genes are in the reference") in said
    assert figures(pair) == (SHARED, SPOTS_TOTAL, CELLS_TOTAL)
    _, space = pair.load()
    tissue = anndata.read_h5ad(case("ok") / "st_in.h5ad")
    expected = tissue.obsm["spatial"]
    written = {"st_tsv_coords_in_names": np.round, "dtypes": np.trunc}  # as whole numbers
    expected = written.get(name, np.asarray)(expected)
    rows = slice(0, 300)  # the first section stays in its place
    np.testing.assert_allclose(space.obsm["spatial"][rows], expected, rtol=1e-6)
    if name not in ("r_dots", "odd_names", "ensembl_versions"):
        np.testing.assert_array_equal(space[rows].X.toarray(), tissue[:, space.var_names].X.toarray())


@pytest.mark.parametrize(
    ("name", "spatial"),
    [
        *(("csv_bom_semicolon", f"{name}.csv") for name in ("semi", "bom", "bom_rows", "bom_nonames")),
        *(("csv_bom_semicolon", f"{name}.csv") for name in ("crlf", "utf16", "tab")),
        *(("h5ad_renamed", name) for name in ("st.h5", "st.h5ad.gz", "st.parquet")),
    ],
)
def test_every_way_to_write_the_same_table(case, convert, name, spatial):
    folder = case(name)
    code, _, _, pair = convert(folder / "sc_in.h5ad", folder / spatial)
    assert code == 0
    assert figures(pair) == (SHARED, SPOTS_TOTAL, CELLS_TOTAL)
    tissue = anndata.read_h5ad(case("ok") / "st_in.h5ad")
    np.testing.assert_array_equal(pair.load()[1].X.toarray(), tissue.X.toarray())


@pytest.mark.parametrize("name", ["plain", "bom", "spot_id_column", "loc_id_column", "comma_sc"])
def test_text_layouts(case, name):
    pair = dataset_called(str(case("text_layout") / name), catalogue([]))
    assert figures(pair) == (SHARED, 85.0, 176.0)
    plain = dataset_called(str(case("text_layout") / "plain"), catalogue([])).load()[1]
    np.testing.assert_allclose(pair.load()[1].obsm["spatial"], plain.obsm["spatial"], rtol=1e-6)


WRONG = {  # case: the line
    "nan_coords": (
        "Error: 7 of 300 spots have no coordinates in obsm['spatial'] (first: 's0'). Leave these spots out, "
        "or give their coordinates.\n"
    ),
    "scaled_raw_lognorm": (
        "Error: The reference has negative values, as scaled data have. Give raw counts or intensities: "
        "another file, or a layer with --reference-layer (here: 'raw').\n"
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_case_that_is_refused(case, convert, name):
    folder = case(name)
    code, _, error, pair = convert(folder / "sc_in.h5ad", folder / "st_in.h5ad")
    assert (code, error, pair) == (1, WRONG[name], None)


def test_what_a_folder_of_text_without_coordinates_for_some_spots_says(case, stbench):
    code, _, error = stbench("data", "check", case("text_layout") / "loc_nan")
    assert code == 1
    assert "3 of 100 spots have no coordinates" in error
    assert "'spot0'" in error


def test_versions_of_ensembl_without_the_option(case, convert):
    folder = case("ensembl_versions")
    code, _, error, _ = convert(folder / "sc_in.h5ad", folder / "st_in.h5ad")
    assert code == 1
    assert "share no gene name" in error
    assert "40 differ by the version at the end" in error
    assert "--match-genes" in error


def test_a_matrix_without_the_files_beside_it(case, convert):
    folder = case("h5ad_renamed")
    code, _, error, _ = convert(folder / "sc_in.h5ad", folder / "m" / "matrix.mtx.gz")
    assert code == 1
    assert "is none of features.tsv, features.tsv.gz, genes.tsv, genes.tsv.gz" in error


def test_symbols_on_one_side_and_ensembl_on_the_other(case, convert, stbench, tmp_path):
    folder = case("partial_ensembl")
    code, said, _, pair = convert(folder / "sc_in.h5ad", folder / "st_in.h5ad")
    line = "12 of 40 measured genes are in the reference. 28 are symbols (Gene0) while the reference has Ens"
    assert code == 0
    assert line in said
    assert figures(pair)[0] == 12
    assert f"care: {line}" in stbench("data", "check", tmp_path / "mine")[1]
    reference, spatial = pair.load()
    assert line in prepare(reference, spatial, Card("x")).report["notes"][0]


def test_other_names_in_a_column_are_the_remedy(case, convert):
    folder = case("partial_ensembl")
    reference = anndata.read_h5ad(folder / "sc_in.h5ad")
    reference.var["feature_name"] = [f"Gene{i}" for i in range(60)]
    reference.write_h5ad(folder / "with_symbols.h5ad")
    spatial = anndata.read_h5ad(case("ok") / "st_in.h5ad")
    spatial.write_h5ad(folder / "symbols.h5ad")
    code, _, error, _ = convert(folder / "with_symbols.h5ad", folder / "symbols.h5ad")
    assert code == 1
    assert "With the names in var['feature_name'] of the reference it would be 40" in error
    code, _, _, pair = convert(folder / "with_symbols.h5ad", folder / "symbols.h5ad", "--match-genes")
    assert code == 0
    assert figures(pair) == (SHARED, SPOTS_TOTAL, CELLS_TOTAL)


def test_a_folder_called_like_an_embedded_dataset(case, convert, stbench, tmp_path):
    folder = case("folder_called_simulated")
    out = tmp_path / "simulated"
    words = "--reference", folder / "sc_in.h5ad", "--spatial", folder / "st_in.h5ad"
    code, _, error = stbench("data", "convert", *words, "--out", out)
    assert (code, error) == (1, "Error: 'simulated' comes with stbench: choose another name with --out.\n")
    _, _, _, pair = convert(*words[1::2])
    pair.folder.rename(out)
    assert figures(dataset_called(str(out), catalogue([]))) == (SHARED, SPOTS_TOTAL, CELLS_TOTAL)


def test_an_embedded_name_that_is_also_a_folder_here_is_refused(case, convert, tmp_path, monkeypatch):
    folder = case("ok")
    pair = convert(folder / "sc_in.h5ad", folder / "st_in.h5ad")[3]
    pair.folder.rename(tmp_path / "simulated")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="give './simulated' for the folder"):
        dataset_called("simulated", catalogue([]))
    assert dataset_called("./simulated", catalogue([])).folder == tmp_path / "simulated"


def test_a_table_of_coordinates_as_the_reference(case, convert):
    folder = case("merscope_cell_col")
    code, _, error, _ = convert(folder / "cell_metadata.csv", folder / "cell_by_gene.csv")
    assert code == 1
    assert "has 4 cells x 300 genes: this is no table of counts" in error


def test_an_output_folder_is_given_as_it_is(case, convert):
    folder = case("merscope_cell_col")
    code, said, _, pair = convert(folder / "sc_in.h5ad", folder)
    assert code == 0
    assert "output folder of MERSCOPE: 'cell_by_gene.csv', 'cell_metadata.csv'" in said
    assert figures(pair) == (SHARED, SPOTS_TOTAL, CELLS_TOTAL)


def test_loom_by_anndata(case, convert):
    folder = case("loom_anndata")
    code, _, _, pair = convert(folder / "ref.loom", folder / "st_in.h5ad")
    assert code == 0
    assert figures(pair) == (SHARED, SPOTS_TOTAL, CELLS_TOTAL)


def test_sections_treated_as_one_on_request(case, convert):
    folder = case("two_sections")
    code, said, _, pair = convert(folder / "sc_in.h5ad", folder / "st_in.h5ad", "--sections", "one")
    assert code == 0
    assert "shifted apart" not in said
    places = pair.load()[1].obsm["spatial"]
    np.testing.assert_array_equal(places[:300], places[:299:-1])
    assert prepare(*pair.load(), pair.card).report["spots"] == 600


def test_sections_on_one_place_without_a_column_are_refused(case, convert):
    folder = case("two_sections")
    table = anndata.read_h5ad(folder / "st_in.h5ad")
    del table.obs["library_id"]
    table.write_h5ad(folder / "no_column.h5ad")
    code, _, error, _ = convert(folder / "sc_in.h5ad", folder / "no_column.h5ad")
    assert code == 1
    assert "600 of 600 spots lie exactly on another spot" in error
    assert "--sections" in error


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("st_tsv_coords_in_names", "coordinates from the names of spots"),
        ("two_sections", "2 sections"),
    ],
)
def test_strict_makes_a_guess_an_error(case, convert, name, guess):
    folder = case(name)
    spatial = next(folder / file for file in ("spots.tsv.gz", "st_in.h5ad") if (folder / file).is_file())
    code, _, error, pair = convert(folder / "sc_in.h5ad", spatial, "--strict")
    assert (code, pair) == (1, None)
    assert guess in error
    assert "--strict allows none" in error


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("tiny_panel", 1, "stop: Only 8 shared genes vary on both sides; 10 are needed to split them."),
        ("shallow_reference", 1, "stop: No cell of 'mine' passes the filters: lower --min-genes (now 500)"),
        ("same_spot_all_zero_gene", 0, "note: 2 shared genes never vary on one side and are left out."),
        ("nearly_empty_spots", 0, "care: Only 12 genes: one split tests 1 or 2 of them."),
        ("zero_spots", 0, "FIT, with care"),
    ],
)
def test_what_check_says(case, convert, stbench, tmp_path, name, code, line):
    folder = case(name)
    assert convert(folder / "sc_in.h5ad", folder / "st_in.h5ad")[0] == 0
    found, said, _ = stbench("data", "check", tmp_path / "mine")
    assert found == code
    assert line in said


def test_a_reference_of_shallow_cells_with_another_filter(case):
    folder = case("shallow_reference")
    tables = (anndata.read_h5ad(folder / f"{name}_in.h5ad") for name in ("sc", "st"))
    assert prepare(*tables, Card("x", min_genes=200)).report["cells"] == 300


def test_names_that_do_not_match_show_two_of_each(case, convert, tmp_path):
    folder = case("ok")
    table = anndata.read_h5ad(folder / "st_in.h5ad")
    x, y = table.obsm["spatial"].T
    names = [f"{name}-1" for name in table.obs_names]
    pd.DataFrame({"barcode": names, "x": x, "y": y}).to_csv(tmp_path / "places.csv", index=False)
    options = "--coordinates", tmp_path / "places.csv"
    code, _, error, _ = convert(folder / "sc_in.h5ad", folder / "st_in.h5ad", *options)
    assert code == 1
    assert (
        "has the names of 0 of 300 spots. Spots without a row are 's0' and 's1', rows are 's0-1' and 's1-1'"
        in error
    )
