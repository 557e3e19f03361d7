import numpy as np
import pytest

from stbench.metrics.ssim import ssim

TRUTH = np.array([[0, 4], [1, 0], [2, 0]])
PREDICTION = np.array([[0, 0], [2, 1], [1, 1]])
C1, C2 = 1e-4, 9e-4


def test_by_hand():
    # gene 1: (0, .5, 1) and (0, 1, .5): means 1/2, variances 1/6, covariance 1/12
    # gene 2: (1, 0, 0) and (0, 1, 1): means 1/3 and 2/3, variances 2/9, covariance -2/9
    first = (1 / 6 + C2) / (1 / 3 + C2)
    second = (4 / 9 + C1) / (5 / 9 + C1) * (-4 / 9 + C2) / (4 / 9 + C2)
    assert ssim(TRUTH, PREDICTION) == pytest.approx([first, second], abs=1e-15)


def test_same_shuffle_of_both_sides_changes_nothing():
    rng = np.random.default_rng(0)
    truth, prediction = rng.gamma(1, size=(2, 200, 5))
    order = rng.permutation(200)
    assert ssim(truth[order], prediction[order]) == pytest.approx(ssim(truth, prediction), abs=1e-13)


def test_negatives_count_as_zero():
    rng = np.random.default_rng(1)
    truth, prediction = rng.normal(size=(2, 60, 4))
    assert (ssim(truth, prediction) == ssim(np.maximum(truth, 0), np.maximum(prediction, 0))).all()


@pytest.mark.parametrize("level", [0, -2.5])
def test_all_zero_column_stays_zero(level):
    truth = np.array([[0.0], [2], [4]])  # scaled: mean 1/2, variance 1/6
    expected = C1 / (1 / 4 + C1) * C2 / (1 / 6 + C2)
    assert ssim(truth, np.full((3, 1), level)) == pytest.approx([expected], abs=1e-15)


@pytest.mark.parametrize("level", [1e-30, 0.1, 1e8])
def test_constant_column_is_a_column_of_ones(level):
    truth = np.array([[0.0], [2], [4]])
    expected = (1 + C1) / (1 / 4 + 1 + C1) * C2 / (1 / 6 + C2)
    assert ssim(truth, np.full((3, 1), level)) == pytest.approx([expected], abs=1e-15)


def test_input_is_left_alone():
    truth, prediction = TRUTH.astype(float), PREDICTION.astype(float)
    ssim(truth, prediction)
    assert (truth == TRUTH).all()
    assert (prediction == PREDICTION).all()
