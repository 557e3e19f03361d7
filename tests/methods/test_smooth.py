import numpy as np
import pytest

from stbench.methods import REGISTRY, Context
from stbench.toolbox.smoothing import neighbour_means
from stbench.toolbox.tuning import mean_pearson

SMOOTH = REGISTRY.get("smooth(knn)")


def test_a_noisy_prediction_is_smoothed_by_what_it_reports(make_task):
    task, truth = make_task(n_spots=300)
    chosen = {}
    found = SMOOTH(inner_n_neighbors=1).predict(task, Context(chosen=chosen.update))
    alone = REGISTRY.get("knn")(n_neighbors=1).predict(task, Context())
    assert chosen["share"] > 0
    means = neighbour_means(task.coordinates(), chosen["size"]) @ alone
    np.testing.assert_allclose(found, (1 - chosen["share"]) * alone + chosen["share"] * means)
    assert mean_pearson(truth, found) > mean_pearson(truth, alone) + 0.05


def test_nothing_is_smoothed_where_neighbours_say_nothing(make_task):
    task, _ = make_task(n_spots=300)
    places = np.random.default_rng(1).permutation(task.spatial.obsm["spatial"])
    task.spatial.obsm["spatial"] = places
    chosen = {}
    found = SMOOTH().predict(task, Context(chosen=chosen.update))
    assert chosen["share"] == 0
    assert found == pytest.approx(REGISTRY.get("knn")().predict(task, Context()))
