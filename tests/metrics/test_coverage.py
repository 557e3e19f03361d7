import numpy as np
import pytest
from scipy import stats

from stbench.methods import Prediction
from stbench.metrics import REGISTRY
from stbench.metrics.coverage import coverage, coverage_nonzero, interval_score


def test_by_hand():
    truth = np.array([[0.0, 2.0], [3.0, 7.0]])
    answer = Prediction(truth, np.array([[0.0, 1], [4, 1]]), np.array([[1.0, 3], [5, 6]]), level=0.8)
    assert coverage(truth, answer).tolist() == [0.5, 0.5]
    assert coverage_nonzero(truth, answer).tolist() == [0, 0.5]
    # widths 1, 1 and 2, 5; outside by 0, 1 and 0, 1; penalty 2 / 0.2
    assert interval_score(truth, answer).tolist() == pytest.approx([(2 + 10) / 2, (7 + 10) / 2])


def test_calibrated_intervals_cover_their_level_and_score_best():
    truth = np.random.default_rng(0).normal(size=(20000, 1))
    edge = stats.norm.ppf(0.95)

    def answer(factor):
        return Prediction(0 * truth, np.full_like(truth, -factor * edge), np.full_like(truth, factor * edge))

    assert coverage(truth, answer(1)) == pytest.approx([0.9], abs=0.01)
    # closed form for the normal: 2 z + (4 / 0.1) (pdf(z) - z * 0.05)
    expected = 2 * edge + 40 * (stats.norm.pdf(edge) - edge * 0.05)
    assert interval_score(truth, answer(1)) == pytest.approx([expected], rel=0.02)
    assert (
        interval_score(truth, answer(0.7))
        > interval_score(truth, answer(1))
        < interval_score(truth, answer(1.5))
    )


def test_zeros_alone_can_be_covered():
    truth = np.r_[np.zeros(9), 5.0][:, None]
    answer = Prediction(0 * truth, 0 * truth, 0 * truth + 1)
    assert coverage(truth, answer).tolist() == [0.9]
    assert coverage_nonzero(truth, answer).tolist() == [0]


def test_they_are_not_primary_and_coverage_has_no_winner():
    found = {name: metric.best for name, metric in REGISTRY.items().items() if metric.needs_intervals}
    assert found == {"coverage": "level", "coverage_nonzero": "level", "interval_score": "low"}
    assert not any(REGISTRY.get(name).primary for name in found)
