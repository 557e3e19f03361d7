import numpy as np
import pytest

from stbench.metrics.pcc import pcc
from stbench.metrics.rmse import rmse

TRUTH = np.array([[0, 4], [1, 0], [2, 0]])
PREDICTION = np.array([[0, 0], [2, 1], [1, 1]])


def test_by_hand():
    # gene 1: z-scores sqrt(1.5) * (-1, 0, 1) and sqrt(1.5) * (-1, 1, 0): sqrt(1.5 * (0 + 1 + 1) / 3) = 1
    assert rmse(TRUTH, PREDICTION) == pytest.approx([1, 2], abs=1e-15)


def test_is_a_function_of_pcc():
    rng = np.random.default_rng(0)
    truth = rng.poisson(1, size=(300, 40)).astype(float)
    prediction = truth * rng.uniform(-1, 1, size=40) + rng.normal(size=(300, 40))
    assert rmse(truth, prediction) == pytest.approx(np.sqrt(2 - 2 * pcc(truth, prediction)), abs=1e-12)


def test_identical_columns_score_exactly_zero():
    truth = np.random.default_rng(1).normal(size=(50, 6))
    assert not rmse(truth, truth).any()


@pytest.mark.parametrize("level", [0, 0.1, 1e-30, 1e8, -3])
def test_constant_column_scores_root_two(level):
    truth = np.random.default_rng(0).normal(size=(77, 1))
    assert rmse(truth, np.full((77, 1), level)) == np.sqrt(2)
    assert rmse(np.full((77, 1), level), truth) == np.sqrt(2)
