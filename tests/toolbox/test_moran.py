import numpy as np
import pytest

from stbench.toolbox.moran import morans_i, spot_graph
from stbench.toolbox.scale import zscore


def test_by_hand():
    # four spots on a line; three neighbours are all the others: I = -1 / (n - 1) whatever the values
    weights = spot_graph(np.arange(4.0)[:, None])
    assert weights.toarray().tolist() == (1 - np.eye(4)).tolist()
    assert morans_i(zscore(np.array([[1.0], [5], [2], [8]])), weights) == pytest.approx([-1 / 3])


def test_it_is_that_of_scanpy():
    import scanpy as sc

    rng = np.random.default_rng(0)
    places, values = rng.uniform(size=(120, 2)), rng.gamma(1, size=(120, 5))
    weights = spot_graph(places)
    assert (weights.sum(axis=1) == 6).all()
    assert morans_i(zscore(values), weights) == pytest.approx(sc.metrics.morans_i(weights, values.T))


def test_smooth_is_high_and_noise_is_about_nothing():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 10, size=(2000, 2))
    values = np.column_stack([np.sin(places[:, 0]), rng.normal(size=2000)])
    smooth, noise = morans_i(zscore(values), spot_graph(places))
    assert smooth > 0.95
    assert abs(noise) < 0.05
