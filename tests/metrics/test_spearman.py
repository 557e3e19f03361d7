import numpy as np
import pytest
from scipy.stats import spearmanr

from stbench.metrics.spearman import spearman

TRUTH = np.array([[0, 4], [1, 0], [2, 0]])
PREDICTION = np.array([[0, 0], [2, 1], [1, 1]])


def test_by_hand():
    # gene 2: ranks (3, 1.5, 1.5) and (1, 2.5, 2.5)
    assert spearman(TRUTH, PREDICTION) == pytest.approx([0.5, -1], abs=1e-15)


def test_agrees_with_scipy_on_ties():
    rng = np.random.default_rng(0)
    truth, prediction = rng.poisson(0.5, size=(2, 300, 4))
    expected = [spearmanr(truth[:, gene], prediction[:, gene]).statistic for gene in range(4)]
    assert spearman(truth, prediction) == pytest.approx(expected, abs=1e-12)


def test_only_order_matters():
    truth, prediction = np.random.default_rng(1).normal(size=(2, 100, 3))
    assert (spearman(np.exp(truth), prediction**3) == spearman(truth, prediction)).all()


@pytest.mark.parametrize("level", [0, 0.1, 1e-30, 1e8, -3])
def test_constant_column_is_zero(level):
    truth = np.random.default_rng(0).normal(size=(77, 1))
    assert spearman(truth, np.full((77, 1), level)) == 0
