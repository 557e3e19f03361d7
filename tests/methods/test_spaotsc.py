import numpy as np
import pytest
from scipy.stats import spearmanr

from stbench.errors import StbenchError
from stbench.methods import REGISTRY, Context
from stbench.methods.spaotsc import spearman, unbalanced_plan
from stbench.tables import dense


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
