import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import Ridge, RidgeCV

from stbench.errors import Unsupported
from stbench.methods import REGISTRY, Context
from stbench.tables import dense

pytest.importorskip("ImputeFISH")


def nearest(points, place, n):
    return np.argsort(((points - place) ** 2).sum(axis=1), kind="stable")[:n]


def literal(task, seed, n_components):
    """The steps of the docstring, row by row."""
    genes = sorted(task.visible)
    cells, spots = dense(task.reference, genes), dense(task.spatial, genes)
    cells, spots = (side / np.where(side.std(axis=0) > 0, side.std(axis=0), 1) for side in (cells, spots))
    places = task.coordinates()
    around = np.stack([spots[nearest(places, place, 5)].mean(axis=0) for place in places])
    imagined = np.stack([around[nearest(spots, cell, 10)].mean(axis=0) for cell in cells])
    cells, spots = np.hstack([cells, imagined]), np.hstack([spots, around])

    np.random.seed(seed)  # noqa: NPY002
    n = min(len(cells), len(spots))
    drawn = [side[np.random.choice(len(side), n)] for side in (cells, spots)]  # noqa: NPY002
    svd = TruncatedSVD(n_components).fit(np.vstack(drawn))
    targets = dense(task.reference, task.targets)
    penalty = RidgeCV(alphas=[1, 10, 100, 1000, 10_000, 100_000]).fit(svd.transform(cells), targets).alpha_
    return np.maximum(Ridge(penalty).fit(svd.transform(cells), targets).predict(svd.transform(spots)), 0)


@pytest.mark.parametrize(("seed", "n_components"), [(0, 50), (3, 6)])
def test_equals_its_steps_row_by_row(make_task, seed, n_components):
    task, _ = make_task()
    values = REGISTRY.get("imputefish")(n_components=n_components).predict(task, Context(seed=seed))
    expected = literal(task, seed, min(n_components, 2 * len(task.visible)))
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-3)


def test_predicts_the_simulated_targets(make_task):
    task, truth = make_task(n_cells=200, n_spots=150)
    values = REGISTRY.get("imputefish")().predict(task, Context())
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, truth.T, strict=True)]) > 0.6


def test_of_three_coordinates_the_first_two_are_used_and_the_log_says_so(make_task, caplog, capfd):
    task, _ = make_task()
    flat = REGISTRY.get("imputefish")().predict(task, Context())
    task.spatial.obsm["spatial"] = np.column_stack([task.coordinates(), np.arange(task.spatial.n_obs)])
    np.testing.assert_array_equal(REGISTRY.get("imputefish")().predict(task, Context()), flat)
    assert "the first two of 3 are used" in caplog.text
    assert capfd.readouterr().out == ""


def test_fewer_spots_than_the_neighbourhood_are_refused(make_task):
    task, _ = make_task(n_spots=9)
    with pytest.raises(Unsupported, match="at least 10 spots"):
        REGISTRY.get("imputefish")().predict(task, Context())
