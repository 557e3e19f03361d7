import numpy as np
import pytest
from scipy.linalg import orth
from sklearn.decomposition import PCA

from stbench.methods import REGISTRY, Context
from stbench.methods.spage import N_NEIGHBORS, N_PV, principal_vectors
from stbench.tables import dense
from stbench.toolbox.tiles import on_spots
from stbench.toolbox.tuning import mean_pearson


def literal(reference, space, targets, n_pv, n_neighbors=50):
    """SpaGE as its formulas stand, spot by spot; ``targets`` is the unscaled (n_cells, n_targets)."""
    cells = (reference - reference.mean(0)) / reference.std(0)
    spots = (space - space.mean(0)) / space.std(0)
    source = orth(PCA(n_pv, svd_solver="full").fit(cells).components_.T).T
    target = orth(PCA(n_pv, svd_solver="full").fit(spots).components_.T).T
    u, similarity, _ = np.linalg.svd(source @ target.T)
    vectors = (u.T @ source)[similarity > 0.3]
    cells, spots = cells @ vectors.T, spots @ vectors.T
    values = np.zeros((len(spots), targets.shape[1]))
    for s, spot in enumerate(spots):
        distance = np.array([1 - spot @ c / np.linalg.norm(spot) / np.linalg.norm(c) for c in cells])
        nearest = np.argsort(distance)[:n_neighbors]
        nearest = nearest[distance[nearest] < 1]
        near = distance[nearest]
        for cell, weight in zip(nearest, (1 - near / near.sum()) / (len(near) - 1), strict=True):
            values[s] += weight * targets[cell]
    return values


@pytest.mark.parametrize(("n_pv", "n_neighbors"), [(50, 50), (4, 9)])
def test_equals_the_formulas_spot_by_spot(make_task, n_pv, n_neighbors):
    task, _ = make_task(n_cells=80, n_spots=40)
    genes = task.varying_genes()
    tables = dense(task.reference, genes), dense(task.spatial, genes), dense(task.reference, task.targets)
    expected = literal(*tables, min(n_pv, len(genes) // 2), n_neighbors)
    values = REGISTRY.get("spage")(n_pv=n_pv, n_neighbors=n_neighbors).predict(task, Context())
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_settings_are_the_best_on_the_validation_genes(make_task):
    task, _ = make_task(n_cells=200, n_visible=60)
    method = REGISTRY.get("spage")
    inner, truth = task.validation()
    grid = [(n_pv, n_neighbors) for n_pv in N_PV for n_neighbors in N_NEIGHBORS]
    scores = {setting: mean_pearson(truth, method(*setting).predict(inner, Context())) for setting in grid}
    best = max(grid, key=scores.get)
    np.testing.assert_array_equal(method().predict(task, Context()), method(*best).predict(task, Context()))
    assert len(set(scores.values())) == len(grid)  # so that the choice is one
    assert grid[0] == (50, 50)  # as published


def test_a_large_tissue_is_tuned_on_some_of_its_spots(make_task, monkeypatch):
    monkeypatch.setattr("stbench.methods.spage.TUNING_SPOTS", 30)
    task, _ = make_task(n_cells=200, n_visible=60)
    chosen, expected = {}, {}
    values = REGISTRY.get("spage")().predict(task, Context(chosen=chosen.update))
    some = on_spots(task, np.sort(np.random.default_rng(0).permutation(70)[:30]))
    REGISTRY.get("spage")().predict(some, Context(chosen=expected.update))
    assert chosen == expected
    np.testing.assert_array_equal(values, REGISTRY.get("spage")(**chosen).predict(task, Context()))


def test_principal_vectors_find_the_shared_directions():
    rng = np.random.default_rng(0)
    axes = np.eye(6)
    cells = rng.normal(size=(500, 3)) * (9, 6, 3) @ axes[[0, 1, 2]]
    spots = rng.normal(size=(500, 3)) * (9, 6, 3) @ axes[[1, 2, 5]]
    vectors, similarity = principal_vectors(cells, spots, 3)
    np.testing.assert_allclose(similarity, [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(np.abs(vectors[:, :2]).sum(axis=1) > 0.01, [0, 1, 1, 0, 0, 0])
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-6)


def test_no_similar_vector_keeps_the_best_and_warns(make_task, caplog):
    task, _ = make_task()
    values = REGISTRY.get("spage")(min_similarity=1.0).predict(task, Context())
    assert np.isfinite(values).all()
    assert "the best vector is kept" in caplog.text
