import logging

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from stbench.methods import REGISTRY, Context
from stbench.tables import dense
from stbench.toolbox.scale import zscore

harmonypy = pytest.importorskip("harmonypy")


def corrected_by_hand(task, n_components, seed):
    """Corrected components of cells and spots by PCA and a direct call of harmonypy."""
    genes = task.varying_genes()
    both = np.concatenate([zscore(dense(table, genes)) for table in (task.reference, task.spatial)])
    components = PCA(n_components, svd_solver="full").fit_transform(both)
    batch = pd.DataFrame({"batch": ["cell"] * task.reference.n_obs + ["spot"] * task.spatial.n_obs})
    result = harmonypy.run_harmony(components, batch, ["batch"], random_state=seed, verbose=False).Z_corr
    assert result.shape == components.shape
    return np.split(result, [task.reference.n_obs])


@pytest.mark.parametrize("seed", [0, 3])
def test_equals_a_direct_call_and_a_loop_over_spots(make_task, seed):
    task, _ = make_task()
    cells, spots = corrected_by_hand(task, 6, seed)
    values = REGISTRY.get("harmony")(n_components=6, n_neighbors=9).predict(task, Context(seed=seed))
    for spot in range(len(spots)):
        nearest = np.argsort(((cells - spots[spot]) ** 2).sum(axis=1))[:9]
        np.testing.assert_allclose(values[spot], dense(task.reference, task.targets)[nearest].mean(axis=0))


def test_more_neighbours_than_cells_is_the_mean(make_task):
    task, _ = make_task(n_cells=20)
    values = REGISTRY.get("harmony")().predict(task, Context())
    np.testing.assert_allclose(values, REGISTRY.get("mean")().predict(task, Context()))


def test_says_nothing_on_the_root_logger(make_task, caplog, capfd):
    task, _ = make_task()
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with caplog.at_level(logging.DEBUG):
        REGISTRY.get("harmony")().predict(task, Context())
    assert caplog.records == []
    assert "".join(capfd.readouterr()) == ""
    assert (root.level, list(root.handlers)) == before
