"""The real tissue that comes with stbench."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from stbench.data.cache import load
from stbench.data.limit import Limit
from stbench.data.sources import catalogue
from stbench.files import read_h5ad

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "datasets" / "pdac_a_mini"


def test_it_is_small_licensed_and_ready(tmp_path, monkeypatch):
    monkeypatch.setenv("STBENCH_CACHE", str(tmp_path))
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_000_000
    assert "MIT License" in (FOLDER / "LICENSE").read_text()
    dataset = catalogue([])["pdac_a_mini"]
    assert dataset.embedded
    pair = load(dataset, Limit())
    assert (pair.reference.shape, pair.spatial.shape) == ((500, 1000), (428, 80))
    assert pair.report["inferred"] == {}


@pytest.mark.real
def test_it_is_chosen_from_the_whole_pair_as_its_card_says(real_data):
    spec = importlib.util.spec_from_file_location("embed", ROOT / "tools" / "embed_pdac_a_mini.py")
    embed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(embed)
    whole = [read_h5ad(real_data / "pdac_a_st" / f"{name}.h5ad") for name in ("sc", "st")]
    for name, made in zip(("sc", "st"), embed.mini(*whole), strict=True):
        kept = read_h5ad(FOLDER / f"{name}.h5ad")
        assert list(made.obs_names) == list(kept.obs_names)
        assert list(made.var_names) == list(kept.var_names)
        assert (made.X != kept.X).nnz == 0
        assert made.obs.to_numpy().tolist() == kept.obs.to_numpy().tolist()
        for key, values in kept.obsm.items():
            np.testing.assert_array_equal(made.obsm[key], values)
