import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from stbench.errors import StbenchError, Unsupported
from stbench.methods import REGISTRY, Context, Shape
from stbench.methods.novosparc import ALPHAS, EPSILONS, graph_genes
from stbench.methods.novosparc.coupling import couple, hop_distances, linear_cost, transport
from stbench.tables import dense
from stbench.toolbox.tiles import on_spots
from stbench.toolbox.tuning import mean_pearson


def coupling_of_the_package(task, alpha, eps):
    """The coupling that the package `novosparc` finds with the visible genes as its atlas."""
    package = pytest.importorskip("novosparc")
    genes = graph_genes(task, 2000)
    from anndata import AnnData

    tissue = package.cm.Tissue(AnnData(dense(task.reference, genes)), task.coordinates())
    tissue.setup_reconstruction(
        np.array([genes.index(gene) for gene in task.visible]),
        dense(task.spatial, task.visible),
        verbose=False,
    )
    tissue.reconstruct(alpha, eps, verbose=False)
    return tissue.gw


def problem(task):
    """Linear cost and structure of the task."""
    cost = linear_cost(dense(task.reference, task.visible), dense(task.spatial, task.visible))
    profiles = dense(task.reference, graph_genes(task, 2000))
    return cost, (hop_distances(profiles, 5), hop_distances(task.coordinates(), 5))


def our_coupling(task, alpha, eps):
    """From cold starts."""
    return couple(*problem(task), alpha, eps, logging.getLogger("test"), warm=False)[0]


@pytest.mark.parametrize(("alpha", "eps"), [(0.5, 0.005), (0.8, 0.05), (1.0, 0.005)])
def test_cold_starts_equal_the_package(make_task, alpha, eps):
    task, _ = make_task(n_cells=150, n_spots=100)
    expected = coupling_of_the_package(task, alpha, eps)
    np.testing.assert_allclose(our_coupling(task, alpha, eps), expected, rtol=1e-8)


@pytest.mark.parametrize(("alpha", "eps"), [(0.8, 0.005), (0.5, 0.05)])
def test_warm_starts_reach_the_same_coupling(make_task, alpha, eps, monkeypatch):
    ot = pytest.importorskip("ot")
    task, _ = make_task(n_cells=150, n_spots=100)
    values = REGISTRY.get("novosparc")(alpha=alpha, eps=eps).predict(task, Context())
    # cold starts end after a thousand updates, 1e-3 from the solution of the first setting
    monkeypatch.setattr(ot, "sinkhorn", partial(ot.sinkhorn, numItermax=50_000))
    expected = 100 * our_coupling(task, alpha, eps).T @ dense(task.reference, task.targets)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6 * expected.max())


def test_an_eps_at_which_the_package_returns_zeros_is_solved_in_the_log_domain(make_task):
    ot = pytest.importorskip("ot")
    task, _ = make_task(n_cells=40, n_spots=30)
    eps = 5e-5
    with pytest.warns(UserWarning, match="numerical errors"):
        assert coupling_of_the_package(task, 1.0, eps).sum() < 1e-6
    coupling = our_coupling(task, 1.0, eps)
    assert coupling.sum() == pytest.approx(1)
    cost = linear_cost(dense(task.reference, task.visible), dense(task.spatial, task.visible))
    p, q = np.full(40, 1 / 40), np.full(30, 1 / 30)
    with pytest.warns(UserWarning, match="numerical errors"):
        assert ot.sinkhorn(p, q, cost, eps).sum() < 1e-6
    expected = ot.sinkhorn(p, q, cost, eps, method="sinkhorn_log", warn=False)
    np.testing.assert_allclose(coupling, expected, rtol=1e-8, atol=1e-12)


def test_tensors_give_what_arrays_give(make_task):
    pytest.importorskip("torch")
    task, _ = make_task()
    for alpha, eps in [(0.5, 0.005), (1.0, 5e-5)]:  # the second one in the log domain
        method = REGISTRY.get("novosparc")(alpha=alpha, eps=eps)
        arrays, tensors = (method.predict(task, Context(device=device)) for device in ("cpu", "cpu:0"))
        np.testing.assert_allclose(tensors, arrays, rtol=1e-8)


def test_a_collapsed_coupling_is_an_error():
    marginal = np.full(3, 1 / 3)
    with pytest.raises(StbenchError, match=r"collapses at eps = 0\. Set novosparc\.eps higher"):
        transport(marginal, marginal, np.eye(3), 0.0)


def test_settings_are_the_best_on_the_validation_genes(make_task):
    task, _ = make_task()
    method = REGISTRY.get("novosparc")
    inner, truth = task.validation()
    grid = [(alpha, eps) for alpha in ALPHAS for eps in EPSILONS]
    scores = {setting: mean_pearson(truth, method(*setting).predict(inner, Context())) for setting in grid}
    best = max(grid, key=scores.get)
    np.testing.assert_array_equal(method().predict(task, Context()), method(*best).predict(task, Context()))
    assert len(set(scores.values())) == len(grid)  # so that the choice is one


def test_coordinates_are_needed_unless_alpha_is_1(make_task):
    task, _ = make_task()
    del task.spatial.obsm["spatial"]
    with pytest.raises(Unsupported, match="needs coordinates"):
        REGISTRY.get("novosparc")().predict(task, Context())
    assert REGISTRY.get("novosparc")(alpha=1.0).predict(task, Context()).shape == (70, 4)


def test_more_cells_than_max_cells_are_drawn_with_the_seed(make_task):
    task, _ = make_task()
    method = REGISTRY.get("novosparc")(alpha=0.8, eps=0.05, max_cells=60)
    values = method.predict(task, Context(seed=0))
    np.testing.assert_array_equal(values, method.predict(task, Context(seed=0)))
    assert np.abs(values - method.predict(task, Context(seed=1))).max() > 1e-3
    rows = np.sort(np.random.default_rng(0).permutation(90)[:60])
    drawn, _ = make_task()
    object.__setattr__(drawn, "reference", task.reference[rows].copy())
    np.testing.assert_allclose(
        values, REGISTRY.get("novosparc")(alpha=0.8, eps=0.05, n_graph_genes=28).predict(drawn, Context())
    )


@pytest.mark.parametrize("alpha", [0.8, 1.0])
def test_a_sample_of_the_spots_agrees_with_all_of_them(make_task, alpha):
    full = REGISTRY.get("novosparc")(alpha=alpha, eps=0.05)
    task, truth = make_task(n_cells=100, n_spots=200)
    whole, scaled, again = (m.predict(task, Context()) for m in (full, *2 * [replace(full, max_spots=60)]))
    np.testing.assert_array_equal(scaled, again)
    assert mean_pearson(whole, scaled) > 0.95
    assert mean_pearson(truth, scaled) > mean_pearson(truth, whole) - 0.03
    rows = np.sort(np.random.default_rng(0).permutation(200)[:60])
    alone = full.predict(on_spots(task, rows), Context())  # a spot of the sample gets its column of the plan
    np.testing.assert_allclose(scaled[rows], alone, rtol=1e-6)


def test_the_way_to_scale_fits_a_xenium_section():
    xenium = Shape(cells=30_000, spots=300_000, visible=360, targets=40, reference_genes=5000)
    method = REGISTRY.get("novosparc")()
    assert method.memory_bytes(xenium) > 10**11
    scaled = method.within(xenium, 10**10)
    assert scaled.memory_bytes(xenium) < 10**10
    assert scaled == replace(method, max_spots=2000)


def test_hop_distances_by_hand():
    line = np.array([[0.0], [1.0], [2.1], [10.0], [11.0]])  # two parts: 0 - 1 - 2 and 3 - 4
    hops = np.array([[0, 1, 2, 2, 2], [1, 0, 1, 2, 2], [2, 1, 0, 2, 2], [2, 2, 2, 0, 1], [2, 2, 2, 1, 0]])
    expected = hops / 2 - (hops / 2).mean()
    np.testing.assert_allclose(hop_distances(line, 2), expected, atol=1e-15)
    np.testing.assert_array_equal(hop_distances(np.zeros((1, 2)), 5), [[0]])


def test_graph_genes_are_the_overdispersed_ones(make_task):
    task, _ = make_task()
    values = dense(task.reference, task.reference.var_names)
    score = values.var(axis=0) / (values.mean(axis=0) + 1e-4)
    expected = sorted(task.reference.var_names[np.argsort(-score)[:7]])
    assert graph_genes(task, 7) == expected
