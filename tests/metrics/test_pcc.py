import numpy as np
import pytest

from stbench.metrics.pcc import pcc, standardise

TRUTH = np.array([[0, 4], [1, 0], [2, 0]])
PREDICTION = np.array([[0, 0], [2, 1], [1, 1]])


def test_by_hand():
    # gene 1: deviations (-1, 0, 1) and (-1, 1, 0): 1 / sqrt(2 * 2); gene 2: opposite signs everywhere
    assert pcc(TRUTH, PREDICTION) == pytest.approx([0.5, -1], abs=1e-15)


def test_agrees_with_numpy():
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 200, 5))
    expected = [np.corrcoef(truth[:, gene], prediction[:, gene])[0, 1] for gene in range(5)]
    assert pcc(truth, prediction) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("level", [0, 0.1, 1e-30, 1e8, -3])
def test_constant_column_is_zero(level):
    # 0.1 summed 77 times is not 7.7: the mean of equal numbers can differ from them
    truth = np.random.default_rng(0).normal(size=(77, 1))
    assert pcc(truth, np.full((77, 1), level)) == 0
    assert pcc(np.full((77, 1), level), truth) == 0


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e8, 1e150])
def test_scale_of_a_column_is_free(scale):
    rng = np.random.default_rng(1)
    truth, prediction = rng.normal(size=(2, 100, 3))
    assert pcc(scale * truth, prediction) == pytest.approx(pcc(truth, prediction), abs=1e-14)
    assert pcc(truth, scale * prediction) == pytest.approx(pcc(truth, prediction), abs=1e-14)


def test_small_signal_on_a_large_offset():
    signal = np.random.default_rng(2).integers(0, 2, size=(100, 1)).astype(float)
    assert pcc(signal, 1e8 + signal / 1024) == pytest.approx([1], abs=1e-14)
    one_step = np.where(signal > 0, np.nextafter(0.1, 1), 0.1)
    assert pcc(signal, one_step) == pytest.approx([1], abs=1e-14)


def test_z_scores():
    z = standardise(np.array([[1.0, 7], [3, 7], [5, 7]]))
    assert z == pytest.approx(np.array([[-np.sqrt(1.5), 0], [0, 0], [np.sqrt(1.5), 0]]))
    assert not z[:, 1].any()
