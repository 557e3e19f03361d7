import numpy as np
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu, norm

from stbench.metrics.clusters import domains
from stbench.metrics.region_markers import rank_sums, region_markers

RNG = np.random.default_rng(0)
BLOCKS = np.repeat(np.arange(8), 25)
PLACES = np.column_stack([np.repeat(np.arange(8) * 10.0, 25), np.zeros(200)]) + RNG.uniform(0, 4, (200, 2))
VISIBLE = RNG.normal(0, 3, (8, 12))[BLOCKS] + RNG.normal(size=(200, 12))
MARKERS = RNG.poisson(np.where(RNG.uniform(size=(8, 9)) < 0.2, 3, 1)[BLOCKS])  # with ties
PREDICTION = MARKERS + RNG.normal(0, 3, MARKERS.shape)


def test_statistic_agrees_with_scipy():
    z = rank_sums(MARKERS, BLOCKS)
    for region in range(8):
        own = np.isin(BLOCKS, region)
        inside, outside = MARKERS[own], MARKERS[~own]
        options = {"alternative": "greater", "method": "asymptotic", "use_continuity": False}
        expected = mannwhitneyu(inside, outside, **options).pvalue
        assert norm.sf(z[region]) == pytest.approx(expected, abs=1e-12)


def test_score_agrees_with_pairs_of_pairs():
    regions = domains(VISIBLE, PLACES)
    predicted = rank_sums(PREDICTION, regions).ravel()
    tests = [
        mannwhitneyu(MARKERS[regions == r, g], MARKERS[regions != r, g], alternative="greater",
                     method="asymptotic", use_continuity=False).pvalue
        for r in range(8) for g in range(9)
    ]  # fmt: skip
    found = false_discovery_control(tests) < 0.05
    assert 3 < found.sum() < len(found) - 3
    wins = predicted[found][:, None] - predicted[~found]
    expected = ((wins > 0) + (wins == 0) / 2).mean()
    assert 0.5 < expected < 1
    assert region_markers(MARKERS, PREDICTION, PLACES, VISIBLE) == pytest.approx(expected)


def test_bounds_and_chance():
    assert region_markers(MARKERS, MARKERS, PLACES, VISIBLE) == 1
    assert region_markers(MARKERS, -MARKERS, PLACES, VISIBLE) == 0
    assert region_markers(MARKERS, np.ones(MARKERS.shape), PLACES, VISIBLE) == 0.5
    noise = [region_markers(MARKERS, RNG.normal(size=MARKERS.shape), PLACES, VISIBLE) for _ in range(6)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.12)


def test_without_markers_there_is_no_value():
    assert np.isnan(region_markers(np.ones(MARKERS.shape), PREDICTION, PLACES, VISIBLE))
    alike = np.ones_like(VISIBLE)  # one region
    assert np.isnan(region_markers(MARKERS, PREDICTION, PLACES, alike))
