"""What holds for every registered metric, or for every one of the benchmark."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stbench.metrics import REGISTRY

METRICS = {
    name: metric
    for name, metric in REGISTRY.items().items()
    if not (metric.needs_coords or metric.needs_intervals or metric.needs_visible or metric.over_genes)
}
SCALE_FREE = [name for name in METRICS if name != "rmse_log"]
BENCHMARK = ("pcc", "ssim", "rmse", "js", "spearman")
PAIR = arrays(
    float, st.tuples(st.just(2), st.integers(2, 30), st.integers(1, 4)), elements=st.integers(-40, 80)
)
examples = settings(deadline=None, database=None)  # no wall times, no files in the checkout


def test_primary_metrics_and_their_order():
    assert [name for name, metric in METRICS.items() if metric.primary] == ["js", "pcc", "rmse", "ssim"]
    assert sorted(BENCHMARK, key=lambda name: METRICS[name].column) == list(BENCHMARK)


@pytest.mark.parametrize("name", METRICS)
@examples
@given(pair=PAIR)
def test_bounds(name, pair):
    values = METRICS[name].function(*pair / 8)
    low, high = METRICS[name].bounds
    assert values.shape == (pair.shape[2],)
    assert values.dtype == np.float64
    assert ((low - 1e-12 <= values) & (values <= high + 1e-12)).all()


@pytest.mark.parametrize("name", SCALE_FREE)
@examples
@given(pair=PAIR, exponent=st.floats(-30, 8))
def test_a_positive_factor_per_gene_changes_nothing(name, pair, exponent):
    truth, prediction = pair / 8
    factors = 10.0 ** np.linspace(exponent, 8, pair.shape[2])
    expected = METRICS[name].function(truth, prediction)
    # a distance of equal columns is the root of rounding
    tolerance = 1e-7 if name == "causalged_js_distance" else 1e-9
    assert METRICS[name].function(truth, prediction * factors) == pytest.approx(expected, abs=tolerance)
    assert METRICS[name].function(truth * factors, prediction) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", METRICS)
def test_perfect_is_the_bound(name):
    truth = np.random.default_rng(0).gamma(1, size=(100, 8))
    metric = METRICS[name]
    bound = metric.bounds[metric.best == "high"]
    assert metric.function(truth, truth.copy()) == pytest.approx([bound] * 8, abs=1e-14)


@pytest.mark.parametrize("name", METRICS)
def test_better_prediction_scores_better(name):
    rng = np.random.default_rng(1)
    truth, noise = rng.gamma(1, size=(2, 500, 8))
    good, bad = (METRICS[name].function(truth, truth + weight * noise) for weight in (0.3, 3))
    assert (good > bad).all() if METRICS[name].best == "high" else (good < bad).all()


@pytest.mark.parametrize(("name", "level"), [("pcc", 0), ("spearman", 0), ("ssim", 0), ("rmse", np.sqrt(2))])
def test_shuffled_is_about_nothing(name, level):
    rng = np.random.default_rng(2)
    truth = rng.uniform(size=(4000, 20))  # spread wide: the constants of ssim weigh little
    values = METRICS[name].function(truth, rng.permuted(truth, axis=0))
    assert np.mean(values) == pytest.approx(level, abs=0.02)


@pytest.mark.parametrize("name", METRICS)
def test_genes_do_not_look_at_each_other(name):
    truth, prediction = np.random.default_rng(3).gamma(1, size=(2, 50, 6))
    together = METRICS[name].function(truth, prediction)
    alone = [METRICS[name].function(truth[:, [gene]], prediction[:, [gene]])[0] for gene in range(6)]
    assert together == pytest.approx(alone, abs=1e-13)


@pytest.mark.parametrize("name", METRICS)
def test_memory_layout_and_type_do_not_matter(name):
    truth, prediction = np.random.default_rng(4).gamma(1, size=(2, 50, 6)).astype(np.float32)
    expected = METRICS[name].function(truth.astype(float), prediction.astype(float))
    assert METRICS[name].function(truth, prediction) == pytest.approx(expected, abs=1e-14)
    by_column = METRICS[name].function(np.asfortranarray(truth), np.asfortranarray(prediction))
    assert by_column == pytest.approx(expected, abs=1e-12)
