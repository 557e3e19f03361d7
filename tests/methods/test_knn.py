import numpy as np
from sklearn.decomposition import PCA

from stbench.methods import REGISTRY, Context
from stbench.tables import dense
from stbench.toolbox.scale import zscore


def test_equals_a_loop_over_spots(make_task):
    task, _ = make_task()
    genes = task.varying_genes()
    pca = PCA(5, svd_solver="full").fit(zscore(dense(task.reference, genes)))
    cells, spots = (pca.transform(zscore(dense(t, genes))) for t in (task.reference, task.spatial))
    values = REGISTRY.get("knn")(n_components=5, n_neighbors=7).predict(task, Context())
    for spot in (0, 10, 69):
        nearest = np.argsort(((cells - spots[spot]) ** 2).sum(axis=1))[:7]
        np.testing.assert_allclose(values[spot], dense(task.reference, task.targets)[nearest].mean(axis=0))


def test_more_neighbours_than_cells_is_the_mean(make_task):
    task, _ = make_task(n_cells=40)
    values = REGISTRY.get("knn")().predict(task, Context())
    np.testing.assert_allclose(values, REGISTRY.get("mean")().predict(task, Context()))
