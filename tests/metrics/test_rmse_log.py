import numpy as np
import pytest

from stbench.metrics.rmse_log import rmse_log


def test_by_hand_and_a_wrong_level_costs():
    truth = np.array([[0, 4.0], [3, 0]])
    assert rmse_log(truth, np.array([[0, 1.0], [0, 4]])) == pytest.approx([np.sqrt(4.5), np.sqrt(12.5)])
    assert rmse_log(truth, truth + 2) == pytest.approx([2, 2])
    assert rmse_log(truth, truth).tolist() == [0, 0]
