"""SPRITE against loops, and what it may not do."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from stbench.methods import REGISTRY, Context
from stbench.methods.sprite import gene_graph, propagate, similar_neighbours, spread_errors
from stbench.tables import dense
from stbench.toolbox.tuning import mean_pearson

SPRITE = REGISTRY.get("sprite(knn)")


@pytest.fixture(scope="module")
def maps():
    """Maps of nine genes over 50 spots, with negative correlations, in two programs."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 2)) @ rng.normal(size=(2, 9)) + rng.normal(size=(50, 9))


def test_the_graph_of_genes_agrees_with_loops(maps):
    rho = spearmanr(maps).statistic.clip(min=0)
    threshold = min(max(rho[gene, other] for other in range(9) if other != gene) for gene in range(9))
    rho[rho < threshold] = 0
    np.testing.assert_allclose(gene_graph(maps), rho / rho.sum(axis=1, keepdims=True), atol=1e-10)
    constant = gene_graph(np.column_stack([maps, np.ones(50)]))
    np.testing.assert_allclose(constant[:9, :9], gene_graph(maps), atol=1e-10)
    assert not constant[9].any()
    assert not constant[:, 9].any()


def test_propagation_is_the_solution_of_its_equation(maps):
    graph = gene_graph(maps)
    for alpha in (0.0, 0.1, 0.7):
        limit = (1 - alpha) * np.linalg.solve(np.eye(9) - alpha * graph, maps.T)
        np.testing.assert_allclose(propagate(maps.T, graph, alpha), limit, atol=1e-6)


def test_errors_spread_from_visible_genes_at_their_own_scale(maps):
    errors = np.random.default_rng(1).normal(size=(50, 6))
    errors[7] = 0
    found = spread_errors(maps, errors, 0.1)
    start = np.zeros((9, 50))
    start[:6] = errors.T
    raw = 0.9 * np.linalg.solve(np.eye(9) - 0.1 * gene_graph(maps), start)
    for spot in range(50):
        if spot != 7:
            scale = np.abs(errors[spot]).mean() / np.abs(raw[:, spot]).mean()
            np.testing.assert_allclose(found[spot], scale * raw[:, spot], atol=1e-6)
    assert not found[7].any()
    assert found[:, 6:].any()  # the targets, whose errors nobody knows, get a part


def test_the_graph_of_spots_weighs_neighbours_by_their_expression(maps):
    places = np.random.default_rng(2).random((50, 2))
    found = similar_neighbours(maps, places, 5).toarray()
    z = (maps - maps.mean(axis=0)) / maps.std(axis=0)
    left, sizes, _ = np.linalg.svd(z, full_matrices=False)
    scores = left[:, :5] * sizes[:5]
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for spot in range(50):
        cosines = scores @ scores[spot] / np.linalg.norm(scores, axis=1) / np.linalg.norm(scores[spot])
        linked = np.flatnonzero(found[spot])
        assert spot in linked
        assert len(linked) <= 6
        np.testing.assert_allclose(found[spot, linked] / found[spot, spot], cosines[linked], atol=1e-8)


def test_without_neighbours_it_is_the_method_inside(make_task):
    task, _ = make_task()
    alone = REGISTRY.get("knn")().predict(task, Context())
    np.testing.assert_allclose(SPRITE(alpha=0.0).predict(task, Context()), alone)


def test_it_helps_where_the_prediction_is_noisy(make_task):
    """One cell per spot is a noisy prediction; what neighbours and other genes know makes it better."""
    task, truth = make_task(n_spots=200)
    alone = REGISTRY.get("knn")(n_neighbors=1).predict(task, Context())
    mixed = SPRITE(inner_n_neighbors=1, alpha=0.5).predict(task, Context())
    assert mean_pearson(truth, mixed) > mean_pearson(truth, alone) + 0.03


def test_the_errors_are_those_of_genes_that_the_fit_did_not_see(make_task):
    """A visible gene that is changed changes the errors, and no prediction of it."""
    task, _ = make_task()
    known, truth = SPRITE(n_folds=24).cross_fitted(task, Context(), 24)
    np.testing.assert_allclose(truth, dense(task.spatial, task.visible))
    values = task.spatial.X.toarray()
    values[:, 3] = values[::-1, 3]
    counts = task.spatial.layers["counts"].toarray()
    counts[:, 3] = counts[::-1, 3]
    task.spatial.X, task.spatial.layers["counts"] = values, counts
    again, changed = SPRITE(n_folds=24).cross_fitted(task, Context(), 24)
    assert not np.allclose(changed[:, 3], truth[:, 3])
    np.testing.assert_allclose(again[:, 3], known[:, 3])
    assert not np.allclose(again[:, 4], known[:, 4])
