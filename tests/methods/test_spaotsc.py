from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from stbench.errors import StbenchError
from stbench.methods import REGISTRY, Context, Shape
from stbench.methods.spaotsc import EPSILONS, RHOS, spearman, unbalanced_plan
from stbench.tables import dense
from stbench.toolbox.tiles import on_spots
from stbench.toolbox.tuning import mean_pearson


def sweeps(a, b, cost, eps, rho, n_sweeps=50, tau=-0.5):
    """The over-relaxed sweeps of the authors on the dual potentials, as their formulas stand."""
    power = rho / (rho + eps)
    u, v = np.zeros_like(a), np.zeros_like(b)
    for _ in range(n_sweeps):
        plan = np.exp((u[:, None] + v - cost) / eps)
        u = tau * u + (1 - tau) * power * (eps * np.log(a) - eps * np.log(plan.sum(axis=1)) + u)
        plan = np.exp((u[:, None] + v - cost) / eps)
        v = tau * v + (1 - tau) * power * (eps * np.log(b) - eps * np.log(plan.sum(axis=0)) + v)
    return np.exp((u[:, None] + v - cost) / eps)


@pytest.fixture
def problem(make_task):
    """Marginals and cost of a small task."""
    task, _ = make_task()
    similarity = spearman(dense(task.reference, task.visible), dense(task.spatial, task.visible))
    mass = np.exp(similarity) / np.exp(similarity).sum()
    return mass.sum(axis=1), mass.sum(axis=0), np.exp(1 - similarity) ** 2


def test_correlations_equal_scipy_with_ties_and_constant_rows():
    rng = np.random.default_rng(0)
    a, b = rng.poisson(1, (7, 20)).astype(float), rng.poisson(1, (5, 20)).astype(float)
    np.testing.assert_allclose(spearman(a, b), spearmanr(a, b, axis=1).statistic[:7, 7:], atol=1e-12)
    a[2] = 3
    assert (spearman(a, b)[2] == 0).all()


@pytest.mark.parametrize(("eps", "rho"), [(1.0, 1.0), (1.0, 100.0), (0.2, 1.0)])
def test_plan_equals_pot_and_the_sweeps_of_the_authors(problem, eps, rho):
    ot = pytest.importorskip("ot")
    plan, _ = unbalanced_plan(*problem, eps, rho, 3000)
    expected = ot.unbalanced.sinkhorn_unbalanced(
        *problem,
        reg=eps,
        reg_m=rho,
        reg_type="entropy",
        method="sinkhorn_stabilized",
        numItermax=5000,
        stopThr=1e-13,
    )
    np.testing.assert_allclose(plan, expected, rtol=1e-8)
    np.testing.assert_allclose(plan, sweeps(*problem, eps, rho, 3000), rtol=1e-8)


def test_published_setting_is_reached_in_the_published_sweeps(problem):
    np.testing.assert_allclose(
        unbalanced_plan(*problem, 1.0, 1.0, 50)[0], sweeps(*problem, 1.0, 1.0, 50), rtol=1e-10
    )


def test_prediction_is_the_mean_weighted_by_the_plan(make_task, problem):
    task, _ = make_task()
    plan = sweeps(*problem, 1.0, 1.0)
    expected = (plan / plan.sum(axis=0)).T @ dense(task.reference, task.targets)
    np.testing.assert_allclose(
        REGISTRY.get("spaotsc")(eps=1.0, rho=1.0).predict(task, Context()), expected, rtol=1e-8
    )


def test_settings_are_the_best_on_the_validation_genes(make_task):
    task, _ = make_task()
    method = REGISTRY.get("spaotsc")
    inner, truth = task.validation()
    grid = [(eps, rho) for eps in EPSILONS for rho in RHOS]
    scores = {setting: mean_pearson(truth, method(*setting).predict(inner, Context())) for setting in grid}
    best = max(grid, key=scores.get)
    np.testing.assert_array_equal(method().predict(task, Context()), method(*best).predict(task, Context()))
    assert len(set(scores.values())) == len(grid)  # so that the choice is one
    assert grid[0] == (1.0, 1.0)  # as published


def test_a_sample_of_spots_and_cells_agrees_with_all_of_them(make_task):
    full = REGISTRY.get("spaotsc")(eps=1.0, rho=1.0)
    task, truth = make_task(n_cells=200, n_spots=200)
    whole = full.predict(task, Context())
    for small in (replace(full, max_spots=60), replace(full, max_spots=60, max_cells=150)):
        scaled, again = (small.predict(task, Context()) for _ in range(2))
        np.testing.assert_array_equal(scaled, again)
        assert mean_pearson(whole, scaled) > 0.97
        assert mean_pearson(truth, scaled) > mean_pearson(truth, whole) - 0.03
    rows = np.sort(np.random.default_rng(0).permutation(200)[:60])
    alone = full.predict(on_spots(task, rows), Context())  # a spot of the sample gets its column of the plan
    np.testing.assert_allclose(replace(full, max_spots=60).predict(task, Context())[rows], alone, rtol=1e-9)


def test_the_way_to_scale_fits_a_xenium_section():
    xenium = Shape(cells=30_000, spots=300_000, visible=360, targets=40, reference_genes=5000)
    method = REGISTRY.get("spaotsc")()
    assert method.memory_bytes(xenium) > 10**11
    scaled = method.within(xenium, 10**10)
    assert scaled.memory_bytes(xenium) < 10**10
    assert scaled == replace(method, max_spots=2000)
    smaller = method.within(xenium, 3 * 10**9)
    assert smaller.memory_bytes(xenium) < 3 * 10**9
    assert smaller.max_cells < 30_000


def test_tensors_give_what_arrays_give(make_task):
    pytest.importorskip("torch")
    task, _ = make_task()
    arrays, tensors = (
        REGISTRY.get("spaotsc")(eps=1.0, rho=1.0).predict(task, Context(device=device))
        for device in ("cpu", "cpu:0")
    )
    np.testing.assert_allclose(tensors, arrays, rtol=1e-10)


def test_a_plan_out_of_range_is_an_error(problem):
    with pytest.raises(StbenchError, match=r"floating-point range at eps = 0\.001\. Set spaotsc\.eps higher"):
        unbalanced_plan(*problem, 0.001, 1.0, 50)


def test_an_empty_spot_gets_the_cells_by_their_mass(make_task):
    task, _ = make_task(edit=lambda cells, spots, genes: spots.__setitem__(0, 0))
    values = REGISTRY.get("spaotsc")(eps=1.0, rho=1.0).predict(task, Context())
    assert np.isfinite(values).all()
    assert (values[0] > 0).any()
