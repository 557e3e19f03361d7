import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from stbench.metrics import REGISTRY, causalged

TRUTH = np.array([[0, 4], [1, 0], [2, 0]])
PREDICTION = np.array([[0, 0], [2, 1], [1, 1]])


def published(truth, prediction):
    """One gene at a time, as the published script computes it."""
    t = (truth - truth.min()) / (truth.max() - truth.min())
    p = (prediction - prediction.min()) / (prediction.max() - prediction.min())
    largest = max(t.max(), p.max())
    c1, c2 = (0.01 * largest) ** 2, (0.03 * largest) ** 2
    st, sp = t.std(), p.std()
    covariance = np.mean((t - t.mean()) * (p - p.mean()))
    luminance = (2 * t.mean() * p.mean() + c1) / (t.mean() ** 2 + p.mean() ** 2 + c1)
    contrast = (2 * st * sp + c2) / (st**2 + sp**2 + c2)
    structure = (covariance + c2 / 2) / (st * sp + c2 / 2)
    return {
        "causalged_pcc": np.corrcoef(t, p)[0, 1],
        "causalged_ssim": luminance * contrast * structure,
        "causalged_rmse_plus_1": np.sqrt(np.mean((t - p) ** 2)) + 1,
        "causalged_js_distance": jensenshannon(t, p),
    }


def test_agrees_with_the_published_formulas():
    rng = np.random.default_rng(0)
    truth = rng.poisson(1, size=(200, 6)).astype(float)
    prediction = truth + rng.normal(size=truth.shape)
    for gene in range(6):
        for name, expected in published(truth[:, gene], prediction[:, gene]).items():
            value = REGISTRY.get(name).function(truth[:, [gene]], prediction[:, [gene]])
            assert value == pytest.approx([expected], abs=1e-10), name


def test_by_hand():
    # gene 1: (0, .5, 1) and (0, 1, .5); gene 2: (1, 0, 0) and (0, 1, 1)
    assert causalged.causalged_rmse_plus_1(TRUTH, PREDICTION) == pytest.approx([1 + np.sqrt(1 / 6), 2])
    divergence = np.log(2 / 3) / 3 + 2 * np.log(4 / 3) / 3
    expected = [np.sqrt(divergence), np.sqrt(np.log(2))]
    assert causalged.causalged_js_distance(TRUTH, PREDICTION) == pytest.approx(expected)


def test_min_max_forgives_an_offset_that_the_benchmark_does_not():
    truth = np.random.default_rng(1).gamma(1, size=(100, 1))
    assert causalged.causalged_js_distance(truth, truth + 50) == pytest.approx([0], abs=1e-6)
    assert REGISTRY.get("js").function(truth, truth + 50) > 0.1


def test_constant_prediction():
    truth = np.array([[0.0], [2], [4]])
    flat = np.full((3, 1), 0.5)
    assert causalged.causalged_pcc(truth, flat) == 0
    assert causalged.causalged_rmse_plus_1(truth, flat) == pytest.approx([1 + np.sqrt((0.25 + 1) / 3)])


def test_none_makes_a_rank_or_a_default_column():
    for name in published(TRUTH[:, 0], PREDICTION[:, 0]):
        assert not REGISTRY.get(name).primary
        assert REGISTRY.get(name).column is None
