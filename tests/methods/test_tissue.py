"""TISSUE against loops, and what its intervals cover."""

import numpy as np
import pytest
from scipy import sparse

from stbench.methods import REGISTRY, Context
from stbench.methods.tissue import grouped, quantiles, variability
from stbench.metrics.coverage import coverage

TISSUE = REGISTRY.get("tissue(knn)")


def test_variability_agrees_with_loops():
    rng = np.random.default_rng(0)
    maps = rng.gamma(1, size=(40, 5))
    graph = np.maximum(rng.random((40, 40)) < 0.2, np.eye(40))
    expected = np.empty_like(maps)
    for spot in range(40):
        near = np.flatnonzero(graph[spot])
        norms = np.linalg.norm(maps[near], axis=1) * np.linalg.norm(maps[spot])
        weights = np.exp(maps[near] @ maps[spot] / norms)
        squares = (maps[near] - maps[spot]) ** 2
        expected[spot] = np.sqrt(np.average(squares, axis=0, weights=weights))
    np.testing.assert_allclose(variability(maps, sparse.csr_matrix(graph)), expected, atol=1e-8)


def test_quantiles_are_those_of_the_own_group_with_the_finite_sample_correction():
    rng = np.random.default_rng(1)
    known, new = rng.integers(0, 2, (60, 6)), rng.integers(0, 4, (60, 3))
    scores = rng.gamma(1, size=(60, 6)) * (1 + 4 * known)
    scores[:10] = 0  # do not count
    known[known == 1] = np.where(np.arange((known == 1).sum()) < 30, 2, 1)  # a group with 30 scores
    found = quantiles(scores, known, new, 0.9)
    for group in range(4):  # 3 is a group without any score
        own = np.sort(scores[(known == group) & (scores > 0)])
        own = own if len(own) >= 100 else np.sort(scores[scores > 0])
        expected = np.quantile(own, np.ceil((len(own) + 1) * 0.9) / len(own))
        np.testing.assert_allclose(found[new == group], expected)
    assert len(np.unique(found)) == 3
    assert (quantiles(np.zeros((5, 2)), np.zeros((5, 2)), np.zeros((5, 1)), 0.9) == 0).all()


def test_groups_are_those_that_were_planted():
    rng = np.random.default_rng(2)
    of_gene, of_spot = np.repeat([0, 1], 6), np.repeat([0, 1], 20)
    level = np.array([[0, 10], [30, 70]])[of_spot[:, None], of_gene]
    groups = grouped(level + rng.normal(0, 0.1, (40, 12)), 2, 2, seed=0)
    for gene, other in ((0, 1), (0, 11), (7, 8)):
        for spot, second in ((0, 1), (0, 39), (25, 30)):
            same = of_gene[gene] == of_gene[other] and of_spot[spot] == of_spot[second]
            assert (groups[spot, gene] == groups[second, other]) == same
    assert len(np.unique(groups)) == 4


def test_the_values_are_those_of_the_method_inside_and_the_intervals_hold_them(make_task):
    task, _ = make_task()
    answer = TISSUE().predict(task, Context())
    np.testing.assert_array_equal(answer.mean, REGISTRY.get("knn")().predict(task, Context()))
    assert (answer.lower >= 0).all()
    assert (answer.lower <= answer.mean).all()
    assert (answer.mean <= answer.upper).all()
    narrow = TISSUE(level=0.5).predict(task, Context())
    assert narrow.level == 0.5
    assert (narrow.upper - narrow.lower).mean() < 0.7 * (answer.upper - answer.lower).mean()


@pytest.mark.parametrize("level", [0.67, 0.9])
def test_they_cover_about_what_they_promise(make_task, level):
    task, truth = make_task(n_spots=150, n_visible=60, n_targets=40)
    answer = TISSUE(level=level, n_folds=5).predict(task, Context())
    assert coverage(truth, answer).mean() == pytest.approx(level, abs=0.06)


def test_without_coordinates_it_says_so(make_task):
    task, _ = make_task()
    del task.spatial.obsm["spatial"]
    with pytest.raises(Exception, match="needs coordinates"):
        TISSUE().predict(task, Context())
