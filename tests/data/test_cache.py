import numpy as np
import pytest

from stbench.data import cache as prepared
from stbench.data.cache import load
from stbench.data.limit import Limit
from stbench.data.sources import catalogue, dataset_called


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prepared"


@pytest.fixture
def planted(data_folder, cache):
    return dataset_called("planted", catalogue([data_folder]))


def no_reading(monkeypatch):
    def fail(*arguments):
        raise AssertionError("the raw data were read")

    monkeypatch.setattr(prepared, "prepare", fail)


def test_the_second_time_it_comes_from_the_cache_and_is_the_same(planted, monkeypatch):
    first = load(planted, Limit(cells=40))
    no_reading(monkeypatch)
    second = load(planted, Limit(cells=40))
    assert second.hash == first.hash
    assert second.report == first.report
    assert second.card == first.card
    assert second.measured == first.measured
    for side in ("reference", "spatial"):
        one, other = getattr(first, side), getattr(second, side)
        np.testing.assert_array_equal(one.X.toarray(), other.X.toarray())
        assert list(one.obs_names) == list(other.obs_names)
    assert list(second.reference.var["highly_variable"]) == list(first.reference.var["highly_variable"])


def test_other_files_other_card_or_other_limit_are_prepared_anew(planted, data_folder, cache):
    hashes = {load(planted, Limit()).hash, load(planted, Limit(cells=40)).hash}
    (data_folder / "planted" / "card.toml").write_text("min_genes = 20\n")
    hashes.add(load(dataset_called("planted", catalogue([data_folder])), Limit()).hash)
    assert len(hashes) == 3
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("name", ["spatial.h5ad", "reference.h5ad", "pair.json"])
def test_a_flipped_byte_is_noticed(planted, cache, name, caplog):
    first = load(planted, Limit())
    (file,) = cache.glob(f"*/{name}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    assert load(planted, Limit()).hash == first.hash
    assert "the prepared copy is damaged" in caplog.messages[0]
    assert load(planted, Limit()).hash == first.hash
    assert len(caplog.messages) == 1


def test_a_folder_that_cannot_be_written_is_logged_and_no_harm(planted, cache, caplog):
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    assert load(planted, Limit()).spatial.n_obs == 50
    assert "cannot be kept" in caplog.messages[0]


def test_the_simulated_data_are_not_kept(cache):
    load(dataset_called("simulated", catalogue([])), Limit())
    assert not cache.exists()
