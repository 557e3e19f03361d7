import numpy as np
import pytest

from stbench.metrics.top_decile import top_decile


def average_precision(found, values):
    """The mean precision at the values of the spots to find, in loops; equal values count together."""
    precisions = []
    for value in values[found]:
        at_least = values >= value
        precisions.append(found[at_least].sum() / at_least.sum())
    return np.mean(precisions)


def test_by_hand():
    truth = np.arange(20.0)[:, None]  # the two last spots are the top
    prediction = np.zeros((20, 1))
    prediction[[19, 3, 18], 0] = 3, 2, 1  # found at place 1 of 1 and 2 of 3
    assert top_decile(truth, prediction) == pytest.approx([(1 + 2 / 3) / 2])


def test_agrees_with_loops_also_with_ties():
    rng = np.random.default_rng(0)
    truth, prediction = rng.poisson(0.8, (2, 205, 6)).astype(float)
    expected = []
    for gene in range(6):
        least = sorted(truth[:, gene], reverse=True)[20]  # 21 of 205 spots
        expected.append(average_precision(truth[:, gene] >= least, prediction[:, gene]))
    assert top_decile(truth, prediction) == pytest.approx(expected, abs=1e-12)


def test_a_rare_gene_has_only_its_own_spots_as_top():
    truth, prediction = np.zeros((2, 100, 1))
    truth[:3] = 1
    assert top_decile(truth, truth) == [1]
    prediction[3:6] = 1  # three wrong spots first, then all others together
    assert top_decile(truth, prediction) == pytest.approx([0.03])


def test_constant_columns():
    truth = np.arange(100.0)[:, None]
    assert top_decile(truth, np.ones((100, 1))) == pytest.approx([0.1])
    assert top_decile(np.ones((100, 1)), truth) == [0]
