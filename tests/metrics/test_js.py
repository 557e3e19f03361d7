import numpy as np
import pytest

from stbench.metrics.js import js

TRUTH = np.array([[0, 4], [1, 0], [2, 0]])
PREDICTION = np.array([[0, 0], [2, 1], [1, 1]])


def test_by_hand():
    # gene 1: (0, 1/3, 2/3) and (0, 2/3, 1/3) around (0, 1/2, 1/2); gene 2: no spot in common
    first = np.log(2 / 3) / 3 + 2 * np.log(4 / 3) / 3
    assert js(TRUTH, PREDICTION) == pytest.approx([first, np.log(2)], abs=1e-15)


def test_is_the_square_of_the_distance_of_scipy():
    from scipy.spatial.distance import jensenshannon

    truth, prediction = np.random.default_rng(0).gamma(0.5, size=(2, 300, 4))
    assert js(truth, prediction) == pytest.approx(jensenshannon(truth, prediction, axis=0) ** 2, abs=1e-12)


def test_negatives_count_as_zero():
    truth, prediction = np.random.default_rng(1).normal(size=(2, 60, 4))
    assert (js(truth, prediction) == js(np.maximum(truth, 0), np.maximum(prediction, 0))).all()


@pytest.mark.parametrize("level", [0, -2.5, 1e-30, 0.1, 1e8])
def test_constant_column_is_uniform(level):
    # all-zero by rule, any other constant by division: (1/2, 1/2) against (0, 1), middle (1/4, 3/4)
    expected = (np.log(2) / 2 + np.log(2 / 3) / 2 + np.log(4 / 3)) / 2
    assert js(np.array([[0.0], [3]]), np.full((2, 1), level)) == pytest.approx([expected], abs=1e-15)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e8, 1e307])
def test_scale_of_a_column_is_free(scale):
    truth, prediction = np.random.default_rng(2).uniform(0, 5, size=(2, 100, 3))
    assert js(truth, scale * prediction) == pytest.approx(js(truth, prediction), abs=1e-14)


def test_input_is_left_alone():
    truth, prediction = TRUTH.astype(float), np.zeros((3, 2))
    js(truth, prediction)
    assert (truth == TRUTH).all()
    assert not prediction.any()
