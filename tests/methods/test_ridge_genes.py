import numpy as np

from stbench.methods import ridge
from stbench.methods.ridge_genes import regress
from stbench.tables import dense
from stbench.toolbox.scale import zscore


def test_equals_sklearn_with_genes_as_samples(make_task):
    from sklearn.linear_model import Ridge

    task, _ = make_task()
    genes = task.varying_genes()
    profiles, maps = zscore(dense(task.reference, genes)).T, zscore(dense(task.spatial, genes)).T
    model = Ridge(alpha=0.7 * profiles.shape[1]).fit(profiles, maps)
    expected = model.predict(zscore(dense(task.reference, task.targets)).T).T
    np.testing.assert_allclose(regress(task, [0.7])[0], expected, atol=1e-8)


def test_without_the_common_map_it_is_ridge(make_task):
    task, _ = make_task()
    genes = task.varying_genes()
    correlation = np.corrcoef(dense(task.reference, genes + task.targets).T)
    n = len(genes)
    dual = np.linalg.solve(correlation[:n, :n] + 0.3 * np.eye(n), correlation[:n, n:])
    np.testing.assert_allclose(
        zscore(dense(task.spatial, genes)) @ dual, ridge.regress(task, [0.3])[0], atol=1e-10
    )
    assert np.abs(regress(task, [0.3])[0] - ridge.regress(task, [0.3])[0]).max() > 1e-3
