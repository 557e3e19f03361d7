import numpy as np
import pytest

from stbench.errors import Unsupported
from stbench.methods import REGISTRY, Context
from stbench.tables import dense

pytestmark = pytest.mark.usefixtures("cellmapper")


@pytest.fixture(scope="module")
def cellmapper():
    """The package, imported by the worker that runs these tests alone: it is slow."""
    return pytest.importorskip("cellmapper")


def literal(task, n_neighbors, n_components):
    """The steps of the docstring, with a full singular value decomposition, spot by spot."""
    cells, spots = dense(task.reference, task.visible), dense(task.spatial, task.visible)
    cells, spots = (side - side.mean(axis=1, keepdims=True) for side in (cells, spots))
    left, _, right = np.linalg.svd(spots @ cells.T, full_matrices=False)
    at = [
        side / np.linalg.norm(side, axis=1, keepdims=True)
        for side in (left[:, :n_components], right.T[:, :n_components])
    ]
    distances = np.linalg.norm(at[0][:, None] - at[1][None], axis=2)
    nearest = np.argsort(distances, axis=1)[:, :n_neighbors]
    spread = np.take_along_axis(distances, nearest, axis=1).mean()
    targets = dense(task.reference, task.targets)
    values = []
    for spot, near in enumerate(nearest):
        weights = np.exp(-(distances[spot, near] ** 2) / (2 * spread**2))
        values.append(weights @ targets[near] / weights.sum())
    return np.array(values)


@pytest.mark.parametrize(("n_neighbors", "n_components"), [(30, 50), (7, 5)])
def test_equals_its_steps_spot_by_spot(make_task, n_neighbors, n_components):
    task, _ = make_task()
    values = REGISTRY.get("cellmapper")(n_neighbors, n_components).predict(task, Context())
    expected = literal(task, n_neighbors, min(n_components, len(task.visible) - 1))
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_equals_the_package_on_whole_tables(make_task, capfd, cellmapper):
    task, _ = make_task(n_cells=120, n_visible=60)  # more than 50 genes: no setting differs from the package
    mapper = cellmapper.CellMapper(task.spatial.copy(), task.reference.copy()).map(layer_key="X")
    expected = dense(mapper.query_imputed, task.targets)
    capfd.readouterr()
    values = REGISTRY.get("cellmapper")().predict(task, Context())
    np.testing.assert_allclose(values, expected, atol=1e-4)
    assert "".join(capfd.readouterr()) == ""


def test_an_empty_spot_is_0_and_an_empty_cell_has_no_part(make_task):
    def empty(cells, spots, genes):
        spots[3] = 0
        cells[5, :-4] = 0

    task, _ = make_task(edit=empty)
    values = REGISTRY.get("cellmapper")(n_neighbors=90).predict(task, Context())
    assert (values[3] == 0).all()
    task.reference.X[5, -4:] = 1e6
    np.testing.assert_array_equal(REGISTRY.get("cellmapper")(n_neighbors=90).predict(task, Context()), values)


def test_one_spot_that_says_nothing_is_refused(make_task):
    def silent(cells, spots, genes):
        spots[1:] = 0

    task, _ = make_task(edit=silent)
    with pytest.raises(Unsupported, match="two spots"):
        REGISTRY.get("cellmapper")().predict(task, Context())
