from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from stbench.methods import Context
from stbench.task import Task
from stbench.toolbox.scale import by_maximum, from_zscores, target_maxima, zscore
from stbench.toolbox.tuning import choose, choose_parameters, mean_pearson


@pytest.fixture
def task():
    """Five visible genes with 3 times the square of their reference mean in space, and two targets."""
    rng = np.random.default_rng(0)
    level = np.array([0.5, 1, 2, 3, 4, 1.5, 0])  # the last target is never seen
    unit = zscore(rng.random((60, 7)))
    reference = AnnData(level * (1 + 0.1 * unit), var=pd.DataFrame(index=list("abcdeTU")))
    space = AnnData(3 * level[:5] ** 2 * (1 + 0.1 * unit[:, :5]), var=pd.DataFrame(index=list("abcde")))
    space.var["split"] = ["train", "train", "train", "val", "val"]
    return Task(reference, space, ["T", "U"], units="intensity")


def test_zscore():
    values = zscore(np.array([[1.0, 5, 0.1], [3, 5, 0.1], [5, 5, 0.1]]))
    np.testing.assert_allclose(values[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)])
    np.testing.assert_array_equal(values[:, 1:], 0)
    np.testing.assert_array_equal(zscore(np.array([1.0, 3, 5])), values[:, 0])
    np.testing.assert_array_equal(zscore(np.array([0.1, np.nextafter(0.1, 1), 0.1])), 0)  # rounding noise


def test_from_zscores_learns_the_line_of_the_visible_genes(task):
    maps = zscore(np.random.default_rng(1).random((60, 2)))
    values = from_zscores(task, maps)
    assert values[:, 0].mean() == pytest.approx(3 * 1.5**2, rel=0.01)
    assert values[:, 0].std() == pytest.approx(0.3 * 1.5**2, rel=0.05)
    assert np.corrcoef(values[:, 0], maps[:, 0])[0, 1] == pytest.approx(1)
    np.testing.assert_array_equal(values[:, 1], 0)


def test_mean_pearson_by_hand():
    rng = np.random.default_rng(0)
    truth, prediction = rng.random((20, 4)), rng.random((20, 4))
    truth[:, 2], prediction[:, 3] = 7, 7  # not scored; scored as 0
    pearson = [np.corrcoef(truth[:, g], prediction[:, g])[0, 1] for g in (0, 1)]
    assert mean_pearson(truth, prediction) == pytest.approx(sum(pearson) / 3)


def test_choose_takes_the_best_on_validation_genes(task):
    seen = []

    def predict(inner, powers):
        seen.append((inner.visible, inner.targets))
        truth = task.spatial[:, inner.targets].X
        return [np.asarray(truth) ** power for power in powers]

    assert choose(task, (-1, 1, 3), predict) == 1
    assert seen == [(["a", "b", "c"], ["d", "e"])]


def test_choose_parameters_tunes_and_reports_only_those_that_are_none(task):
    def predict(inner, settings):
        truth = task.spatial[:, inner.targets].X
        return [sign * np.asarray(truth) ** power for sign, power in settings]

    grid = {"sign": (-1, 1), "power": (3, 1)}
    for sign, power, best, reported in (
        (None, None, (1, 1), {"sign": 1, "power": 1}),
        (-1, None, (-1, 3), {"power": 3}),
        (-1, 1, (-1, 1), {}),
    ):
        chosen = {}
        method = SimpleNamespace(sign=sign, power=power)
        assert choose_parameters(method, grid, task, Context(chosen=chosen.update), predict) == best
        assert chosen == reported


def test_columns_are_divided_by_their_maximum():
    values = np.array([[0.0, 2.0, 0.0, -1.0], [1.0, 8.0, 0.0, 2.0]])
    np.testing.assert_array_equal(by_maximum(values), [[0, 0.25, 0, 0], [1, 1, 0, 1]])


def test_target_maxima_lie_on_the_line_of_the_visible_genes():
    """Maxima in space are the square root of three times those in the reference, except where nothing is."""
    reference = np.array([[1.0, 4.0, 9.0, 2.0, 100.0, 0.0], [0.0] * 6])
    spatial = np.sqrt(3 * reference[:, :3])
    genes = list("abcdef")
    tables = AnnData(reference), AnnData(spatial)
    tables[0].var_names, tables[1].var_names = genes, genes[:3]
    expected = [np.sqrt(6), np.sqrt(27), np.sqrt(3)]  # on the line; above all visible ones; below them
    np.testing.assert_allclose(target_maxima(Task(*tables, genes[3:])), expected, rtol=2e-3)
