"""The oracle: what a regression from the visible maps reaches on the other half of a tissue."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from stbench.scoring.oracle import halves, oracle_scores

N_SPOTS, N_VISIBLE = 2000, 10


@pytest.fixture(scope="module")
def visible():
    rng = np.random.default_rng(0)
    table = AnnData(rng.normal(size=(N_SPOTS, N_VISIBLE)).astype("f4"))
    table.obs_names = [f"s{i}" for i in range(N_SPOTS)]
    table.obsm["spatial"] = rng.uniform(size=(N_SPOTS, 2))
    return table


def genes(visible, noise):
    """Linear combinations of the visible maps, with noise of the same variance times ``noise``."""
    rng = np.random.default_rng(1)
    combined = visible.X @ rng.normal(size=(N_VISIBLE, len(noise)))
    values = combined / combined.std(axis=0) + np.sqrt(noise) * rng.normal(size=combined.shape)
    return pd.DataFrame(values, visible.obs_names, [f"g{i}" for i in range(len(noise))])


def test_it_reaches_what_the_noise_allows(visible):
    found = oracle_scores(visible, genes(visible, [0, 1, 3]), ["pcc"])["pcc"]
    assert list(found) == pytest.approx([1, np.sqrt(1 / 2), np.sqrt(1 / 4)], abs=0.05)


def test_it_reaches_nothing_where_the_visible_maps_say_nothing(visible):
    noise = np.random.default_rng(2).normal(size=(N_SPOTS, 20))
    truth = pd.DataFrame(noise, visible.obs_names, [f"g{i}" for i in range(20)])
    assert abs(oracle_scores(visible, truth, ["pcc"])["pcc"].mean()) < 0.05


def test_a_gene_is_scored_on_spots_that_it_was_not_trained_on(visible):
    """A gene whose combination is another one in the second half: neither half predicts the other."""
    truth = genes(visible, [0])
    second = halves(visible.obsm["spatial"])
    truth[second] *= -1
    assert oracle_scores(visible, truth, ["pcc"]).loc["g0", "pcc"] < -0.9


def test_the_score_is_that_of_one_half_where_a_gene_is_constant_in_the_other(visible):
    truth = genes(visible, [0])
    truth[halves(visible.obsm["spatial"])] = 0.0
    assert np.isfinite(oracle_scores(visible, truth, ["pcc"]).loc["g0", "pcc"])
    assert oracle_scores(visible, truth * 0, ["pcc"])["pcc"].isna().all()


def test_there_is_none_for_few_spots_or_without_coordinates(visible):
    truth = genes(visible, [0])
    few = visible[: 2 * N_VISIBLE - 1]
    assert oracle_scores(few, truth[: 2 * N_VISIBLE - 1]) is None
    assert oracle_scores(visible[: 2 * N_VISIBLE], truth[: 2 * N_VISIBLE]) is not None
    nowhere = visible.copy()
    del nowhere.obsm["spatial"]
    assert oracle_scores(nowhere, truth) is None


def test_halves_are_the_regions_of_a_chessboard():
    places = np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=-1).reshape(-1, 2)
    second = halves(places).reshape(8, 8)
    corners = second[::2, ::2]
    assert (second == np.kron(corners, np.ones((2, 2), bool))).all()
    assert (corners[:, 1:] != corners[:, :-1]).all()
    assert (corners[1:] != corners[:-1]).all()
    assert second.sum() == 32
