import numpy as np
import pytest

from stbench.metrics.moran import moran_difference, morans_i, neighbours


def test_by_hand():
    # four spots on a line; three neighbours are all the others: I = -1 / (n - 1) whatever the values
    weights = neighbours(np.arange(4.0)[:, None])
    assert weights.toarray().tolist() == (1 - np.eye(4)).tolist()
    assert morans_i(np.array([[1.0], [5], [2], [8]]), weights) == pytest.approx([-1 / 3])


def test_it_is_that_of_scanpy():
    import scanpy as sc

    rng = np.random.default_rng(0)
    places, values = rng.uniform(size=(120, 2)), rng.gamma(1, size=(120, 5))
    weights = neighbours(places)
    assert (weights.sum(axis=1) == 6).all()
    assert morans_i(values, weights) == pytest.approx(sc.metrics.morans_i(weights, values.T))


def test_smooth_is_high_and_noise_is_about_nothing():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 10, size=(2000, 2))
    values = np.column_stack([np.sin(places[:, 0]), rng.normal(size=2000)])
    smooth, noise = morans_i(values, neighbours(places))
    assert smooth > 0.95
    assert abs(noise) < 0.05


def test_difference_is_absolute_and_constant_has_none():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 10, size=(300, 2))
    truth = np.sin(places)
    own = morans_i(truth, neighbours(places))
    assert moran_difference(truth, np.ones((300, 2)), places) == pytest.approx(own)
    assert moran_difference(truth, -3 * truth + 1, places) == pytest.approx([0, 0])
    noise = rng.normal(size=(300, 2))
    assert (moran_difference(truth, noise, places) > 0.8).all()
    assert moran_difference(noise, truth, places) == pytest.approx(moran_difference(truth, noise, places))
