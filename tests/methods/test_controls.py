import numpy as np

from stbench.methods import REGISTRY, Context
from stbench.tables import dense


def test_random_comes_from_the_seed_alone(make_task):
    method = REGISTRY.get("random")()
    task, _ = make_task(seed=0)
    other, _ = make_task(seed=1)
    np.testing.assert_array_equal(
        method.predict(task, Context(seed=5)), method.predict(other, Context(seed=5))
    )
    assert 0 <= method.predict(task, Context()).min() < method.predict(task, Context()).max() < 1


def test_mean_is_the_mean_of_the_reference_at_every_spot(make_task):
    task, _ = make_task()
    values = REGISTRY.get("mean")().predict(task, Context())
    np.testing.assert_allclose(values, np.tile(dense(task.reference, task.targets).mean(axis=0), (70, 1)))


def test_depth_multiplies_the_mean_by_the_relative_count(make_task):
    task, _ = make_task()
    values = REGISTRY.get("depth")().predict(task, Context())
    counts = dense(task.spatial, task.visible, layer="counts").sum(axis=1)
    mean = dense(task.reference, task.targets).mean(axis=0)
    np.testing.assert_allclose(values[7, 1], mean[1] * counts[7] / counts.mean())
    np.testing.assert_allclose(values.mean(axis=0), mean)
