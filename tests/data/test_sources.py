import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stbench.data.sources import catalogue, data_folders, select, to_fetch
from stbench.datasets import REGISTRY
from stbench.errors import StbenchError

GROUPS = {"small": 10, "paper": 10, "collection": 45}


def test_every_folder_is_a_dataset_named_by_it(data_folder):
    found = catalogue([data_folder])
    assert found["planted"].loader == "pair"
    reference, spatial = found["planted"].load()
    assert reference.shape == (60, 30)
    assert spatial.obsm["spatial"].shape == (50, 2)


def test_a_folder_that_is_no_dataset_says_why(data_folder):
    (data_folder / "empty").mkdir()
    problem = catalogue([data_folder])["empty"].problem
    assert "neither sc.h5ad + st.h5ad nor scRNA_count.txt" in problem


def test_all_means_the_real_ones_and_says_what_is_missing(data_folder):
    chosen, notices = select(["all"], catalogue([data_folder]))
    assert [dataset.name for dataset in chosen] == ["planted"]
    assert notices == ["Left out: 58 public datasets that are not downloaded (see stbench data list)."]
    assert to_fetch(catalogue([data_folder])) is None


def test_all_without_data_are_the_embedded_tissues_and_says_what_one_command_brings():
    chosen, notices = select(["all"], catalogue([]))
    assert [dataset.name for dataset in chosen] == ["pdac_a_mini", "simulated"]
    assert notices[-1].endswith("using the embedded pdac_a_mini and simulated.")
    assert to_fetch(catalogue([])) == "One command brings 10 real pairs (18 MB): stbench data fetch small"


def test_names(data_folder):
    known = catalogue([data_folder])
    with pytest.raises(StbenchError, match="Did you mean 'planted'"):
        select(["plantd"], known)
    with pytest.raises(StbenchError, match="'osmfish_ssp' is not available.*stbench data fetch osmfish_ssp"):
        select(["osmfish_ssp"], known)
    with pytest.raises(StbenchError, match="'MG' is not available.*stbench data fetch MG"):
        select(["MG"], known)


def test_a_path_is_as_good_as_a_name(data_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (chosen,), _ = select(["data/planted"], catalogue([]))
    assert (chosen.name, chosen.folder) == ("planted", data_folder / "planted")
    assert chosen.load()[1].n_obs == 50
    with pytest.raises(StbenchError, match="'data/none' does not exist"):
        select(["data/none"], catalogue([]))
    with pytest.raises(StbenchError, match="Two of the datasets are called 'planted'"):
        select(["planted", "data/planted"], catalogue([data_folder]))


def test_a_path_and_a_data_folder_give_the_same_dataset(data_folder):
    (data_folder / "planted").rename(data_folder / "osmfish_ssp")
    by_name = catalogue([data_folder])["osmfish_ssp"]
    (by_path,), _ = select([str(data_folder / "osmfish_ssp")], catalogue([]))
    assert by_path == by_name


def test_the_groups_of_the_public_datasets():
    cards = {name: dataset.card for name, dataset in catalogue([]).items() if dataset.fetchable}
    groups = {group: {n for n, card in cards.items() if group in card.groups} for group in GROUPS}
    assert {name: len(members) for name, members in groups.items()} == GROUPS
    assert set().union(*groups.values()) == set(cards)
    assert groups["paper"] == {"MH", "MHPR", "ML", "MG", "MVC", "MHM", "HBC", "ME", "MPMC", "MC"}
    for name in groups["paper"]:
        assert next(iter(cards[name].records)) == "12792074"
        assert cards[name].records["12792074"] == f"dataset-{name}"
    for name, card in cards.items():
        assert bool(card.unverified) == bool(card.records), name  # the raw files were seen and compared
        for file in card.files.values():
            assert re.fullmatch("[0-9a-f]{40} [0-9a-f]{64}", f"{file['commit']} {file['sha256']}"), name


def test_a_downloaded_dataset_is_found_in_the_cache(data_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("STBENCH_CACHE", str(tmp_path / "cache"))
    shutil.copytree(data_folder / "planted", tmp_path / "cache" / "datasets" / "MG")
    (chosen,), _ = select(["MG"], catalogue([]))
    assert chosen.card.tissue == "embryo (gastrulation)"
    assert chosen.load()[0].n_obs == 60


def test_the_same_name_twice_is_an_error(data_folder, tmp_path):
    (tmp_path / "other" / "planted").mkdir(parents=True)
    with pytest.raises(StbenchError, match="Rename one folder"):
        catalogue([data_folder, tmp_path / "other"])


def test_data_folders_come_from_the_option_and_the_environment(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setenv("STBENCH_DATA", str(tmp_path / "b"))
    assert data_folders([tmp_path / "a"]) == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(StbenchError, match="does not exist"):
        data_folders([tmp_path / "c"])


def test_card_beside_the_files_wins(data_folder):
    (data_folder / "planted" / "card.toml").write_text('tissue = "liver"\nmin_genes = 3\n')
    card = catalogue([data_folder])["planted"].card
    assert (card.name, card.tissue, card.min_genes) == ("planted", "liver", 3)


def test_every_shipped_card_is_complete():
    for name, dataset in catalogue([]).items():
        card = dataset.card
        assert card.title, name
        assert card.tissue, name
        assert card.license, name
        assert card.min_genes, name
        assert dataset.embedded or card.obtain, name
        if not card.records:  # nobody here has seen the files of the record
            assert card.panel, name
            assert card.units, name
            assert card.reference_units, name


def write_text_pair(folder: Path, spatial_name: str = "Spatial_count.txt", locations: bool = True) -> None:
    folder.mkdir(parents=True)
    genes = [f"g{i}" for i in range(12)]
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(rng.poisson(3, (12, 7)), index=genes, columns=[f"c{i}" for i in range(7)])
    cells.to_csv(folder / "scRNA_count.txt", sep="\t")
    pd.DataFrame(rng.poisson(3, (5, 12)), columns=genes).to_csv(folder / spatial_name, sep="\t", index=False)
    if locations:
        pd.DataFrame({"x": range(5), "y": range(5)}).to_csv(folder / "Locations.txt", sep="\t", index=False)


@pytest.mark.parametrize("spatial_name", ["Spatial_count.txt", "Insitu_count.txt"])
def test_text_layout(tmp_path, spatial_name):
    write_text_pair(tmp_path / "text", spatial_name)
    reference, spatial = catalogue([tmp_path])["text"].load()
    assert reference.shape == (7, 12)
    assert spatial.shape == (5, 12)
    assert list(spatial.var_names) == list(reference.var_names)
    np.testing.assert_array_equal(spatial.obsm["spatial"][:, 0], range(5))


def test_text_layout_without_coordinates(tmp_path):
    write_text_pair(tmp_path / "text", locations=False)
    _, spatial = catalogue([tmp_path])["text"].load()
    assert "spatial" not in spatial.obsm


def test_text_layout_reports_repeated_genes(tmp_path):
    write_text_pair(tmp_path / "text")
    file = tmp_path / "text" / "Spatial_count.txt"
    file.write_text(file.read_text().replace("g1\t", "g0\t", 1))
    _, spatial = catalogue([tmp_path])["text"].load()
    assert list(spatial.var_names[:2]) == ["g0", "g0"]  # the preparation refuses it by name


def test_text_layout_with_a_wrong_number_of_locations(tmp_path):
    write_text_pair(tmp_path / "text")
    file = tmp_path / "text" / "Locations.txt"
    file.write_text(file.read_text() + "9\t9\n")
    with pytest.raises(StbenchError, match="has 6 rows for 5 spots"):
        catalogue([tmp_path])["text"].load()


@pytest.mark.real
def test_real_text_example(real_data):
    folder = real_data.parent / "data-text"
    if not folder.is_dir():
        pytest.skip("the real text example is not here")
    reference, spatial = catalogue([folder])["osmfish_ssp_tissue"].load()
    assert reference.shape == (1000, 33)
    assert spatial.shape == (3405, 33)
    assert reference.X[0, list(reference.var_names).index("Gad2")] >= 0
    np.testing.assert_allclose(spatial.obsm["spatial"][0], [18171.23094, 24590.79527], rtol=1e-6)


def test_simulated_is_always_the_same():
    load = REGISTRY.get("simulated").load
    first, second = load(None), load(None)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.X.toarray(), b.X.toarray())
    assert set(first[1].var_names) < set(first[0].var_names)
