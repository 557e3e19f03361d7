import numpy as np
import pytest

from stbench.testing.planted import planted_task
from stbench.toolbox.groups import cell_groups


def test_labels_are_the_groups():
    task = planted_task()
    names, groups = cell_groups(task, 7, seed=0)
    assert list(names) == ["a", "b", "c"]
    np.testing.assert_array_equal(names[groups], task.reference.obs["cell_type"].astype(str))


@pytest.mark.parametrize("labels", ["none", "some"])
def test_cells_without_labels_are_clustered(labels):
    task = planted_task()
    if labels == "none":
        del task.reference.obs["cell_type"]
    else:
        task.reference.obs.iloc[3, task.reference.obs.columns.get_loc("cell_type")] = np.nan
    names, groups = cell_groups(task, 5, seed=0)
    assert len(names) == 5
    assert set(groups) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(cell_groups(task, 5, seed=0)[1], groups)
    assert len(cell_groups(task, 1000, seed=0)[0]) <= task.reference.n_obs
