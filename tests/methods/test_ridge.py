import numpy as np
import pytest

from stbench.methods import REGISTRY, Context
from stbench.methods.ridge import ALPHAS, regress
from stbench.tables import dense
from stbench.toolbox.scale import zscore
from stbench.toolbox.tuning import mean_pearson


def test_equals_sklearn_on_zscored_genes(make_task):
    from sklearn.linear_model import Ridge

    task, _ = make_task()
    genes = task.varying_genes()
    cells, targets = zscore(dense(task.reference, genes)), zscore(dense(task.reference, task.targets))
    model = Ridge(alpha=2.0 * len(cells), fit_intercept=False).fit(cells, targets)
    expected = model.predict(zscore(dense(task.spatial, genes)))
    np.testing.assert_allclose(regress(task, [0.5, 2.0])[1], expected, atol=1e-10)


def test_given_alpha_is_used_and_none_takes_the_best_on_validation_genes(make_task):
    task, _ = make_task()
    method = REGISTRY.get("ridge")
    inner, truth = task.validation()
    best = max(ALPHAS, key=lambda alpha: mean_pearson(truth, regress(inner, [alpha])[0]))
    chosen = method().predict(task, Context())
    np.testing.assert_array_equal(chosen, method(alpha=best).predict(task, Context()))
    assert np.abs(chosen - method(alpha=best * 30).predict(task, Context())).max() > 1e-3


def test_level_and_spread_follow_the_visible_genes(make_task):
    task, truth = make_task(n_cells=300, n_spots=300)
    values = REGISTRY.get("ridge")().predict(task, Context())
    assert values.mean(axis=0) == pytest.approx(truth.mean(axis=0), rel=0.5)
    flattened = REGISTRY.get("ridge")(alpha=300.0).predict(task, Context())
    assert flattened.std(axis=0) == pytest.approx(values.std(axis=0), rel=0.5)
