import numpy as np

from stbench.methods import REGISTRY, Context
from stbench.toolbox.conformal import conformal


def test_any_method_gets_the_intervals_of_the_toolbox(make_task):
    task, _ = make_task()
    knn = REGISTRY.get("knn")(n_neighbors=9)
    expected = conformal(task, lambda part: knn.predict(part, Context()), level=0.8, n_folds=4, seed=3)
    method = REGISTRY.get("conformal(knn)")(inner_n_neighbors=9, level=0.8, n_folds=4)
    answer = method.predict(task, Context(seed=3))
    for part in ("mean", "lower", "upper", "level"):
        np.testing.assert_array_equal(getattr(answer, part), getattr(expected, part))
