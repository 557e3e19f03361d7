"""Intervals and tests against scipy, scikit-posthocs, closed forms and cases computed by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stbench.board.statistics import bootstrap_intervals, friedman, holm, paired_wilcoxon, win_rates


def table(values, names="abcdefgh"):
    values = np.asarray(values, dtype=float)
    return pd.DataFrame(values, columns=list(names[: values.shape[1]]))


def test_interval_of_one_rotation_is_the_percentile_bootstrap_of_scipy():
    values = np.random.default_rng(0).gamma(2, size=80)
    found = bootstrap_intervals(table(values[:, None]), ["s0"] * 80, n_resamples=20000).loc["a"]
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20000, rng=1)
    assert found["low"] == pytest.approx(expected.confidence_interval.low, abs=0.02)
    assert found["high"] == pytest.approx(expected.confidence_interval.high, abs=0.02)


def test_level_of_the_interval():
    values = np.random.default_rng(0).normal(size=(400, 1))
    found = bootstrap_intervals(table(values), [0] * 400, level=0.68, n_resamples=20000).loc["a"]
    assert (found["high"] - found["low"]) / 2 == pytest.approx(
        values.std() / 20, rel=0.03
    )  # one sd of the mean


def test_rotations_that_differ_widen_the_interval():
    # all genes of a rotation are equal: only the draw of rotations varies, variance 1/4 over 4
    rotations = np.repeat([0, 1, 2, 3], 50)
    values = table((rotations % 2)[:, None])
    apart = bootstrap_intervals(values, rotations, level=0.68, n_resamples=20000).loc["a"]
    together = bootstrap_intervals(values, np.zeros(200), level=0.68, n_resamples=20000).loc["a"]
    assert (apart["low"], apart["high"]) == (0.25, 0.75)
    assert together["high"] - together["low"] == pytest.approx(2 * 0.5 / np.sqrt(200), rel=0.1)


def test_every_column_sees_the_same_resamples_and_the_seed_decides():
    values = table(np.random.default_rng(0).normal(size=(30, 1)))
    values["b"] = values["a"] + 1
    found = bootstrap_intervals(values, [0] * 30)
    assert (found.loc["b"] - found.loc["a"]).tolist() == pytest.approx([1, 1])
    pd.testing.assert_frame_equal(found, bootstrap_intervals(values, [0] * 30))
    assert (found.loc["a"] != bootstrap_intervals(values, [0] * 30, seed=1).loc["a"]).all()


def test_missing_values_stay_out_and_one_value_has_no_interval():
    values = table([[1, 1, 1], [3, 3, np.nan], [np.nan, 5, np.nan]])
    found = bootstrap_intervals(values, [0, 0, 0])
    alone = bootstrap_intervals(values[["a"]].dropna(), [0, 0])
    assert found.loc["a"].tolist() == alone.loc["a"].tolist() == [1, 3]
    assert found.loc["c"].isna().all()


def test_the_interval_covers_the_true_mean():
    rng = np.random.default_rng(3)
    hits = 0
    for i in range(300):
        effects = np.repeat(rng.normal(size=10), 12)  # ten rotations of twelve genes that share an effect
        values = table((effects + rng.normal(size=120))[:, None])
        low, high = bootstrap_intervals(values, np.repeat(range(10), 12), n_resamples=400, seed=i).loc["a"]
        hits += low <= 0 <= high
    assert 0.88 < hits / 300 < 0.98  # genes alone would cover about half


def test_wilcoxon_and_holm_by_hand_and_by_scipy():
    rng = np.random.default_rng(0)
    values = table(rng.normal([0, 0.3, 1], size=(25, 3)))
    found = paired_wilcoxon(values)
    assert list(zip(found["first"], found["second"], strict=True)) == list(combinations("abc", 2))
    expected = [stats.wilcoxon(values[i], values[j]).pvalue for i, j in combinations("abc", 2)]
    assert found["p_value"].tolist() == pytest.approx(expected, abs=1e-12)
    order = np.argsort(expected)
    holm = np.maximum.accumulate(np.array(expected)[order] * [3, 2, 1]).clip(max=1)
    assert found["p_holm"].to_numpy()[order] == pytest.approx(holm)
    assert found["median_difference"].tolist()[0] == pytest.approx((values["a"] - values["b"]).median())
    assert found["mean_difference"].tolist()[2] == pytest.approx((values["b"] - values["c"]).mean())
    assert set(found["n_genes"]) == {25}


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(0).beta(0.3, 2, size=40).round(2)  # with ties
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])


def test_wilcoxon_of_five_wins_is_one_in_sixteen():
    # all five differences positive: two of 2^5 sign patterns are as extreme
    found = paired_wilcoxon(table([[2, 1], [4, 2], [6, 3], [8, 4], [10, 5]]))
    assert found["p_value"].tolist() == [2 / 2**5]


def test_equal_methods_and_no_genes_have_p_one():
    same = np.random.default_rng(0).normal(size=(8, 1))
    assert paired_wilcoxon(table(np.hstack([same, same + 1e-15])))["p_value"].tolist() == [1]
    nothing = paired_wilcoxon(table(np.empty((0, 2))))
    assert nothing[["n_genes", "p_value", "p_holm"]].to_numpy().tolist() == [[0, 1, 1]]
    assert paired_wilcoxon(table(same)).empty


def test_genes_that_a_method_lacks_are_left_out():
    found = paired_wilcoxon(table([[1, 0], [2, 0], [np.nan, 9]]))
    assert found[["n_genes", "mean_difference"]].to_numpy().tolist() == [[2, 1.5]]


def test_shuffled_labels_give_uniform_p_values():
    rng = np.random.default_rng(0)
    scores = rng.gamma(2, size=(300, 120, 2)) + rng.normal(size=(300, 120, 1))
    scores = rng.permuted(scores, axis=2)  # whose score is whose, by chance
    p_values = [paired_wilcoxon(table(pair))["p_value"].item() for pair in scores]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    biased = [paired_wilcoxon(table(pair + np.array([0.3, 0])))["p_value"].item() for pair in scores]
    assert stats.kstest(biased, "uniform").pvalue < 1e-6


def test_win_rates_by_hand():
    values = table([[3, 1, 2], [3, 3, 2], [1, np.nan, 2]])
    rates = win_rates(values, "high")
    assert rates.loc["a"].tolist() == pytest.approx([0.5, 1.5 / 2, 2 / 3])
    assert rates.loc["b"].tolist() == pytest.approx([0.5 / 2, 0.5, 1 / 2])
    low = win_rates(values, "low")
    assert low.to_numpy() == pytest.approx(rates.to_numpy().T)
    assert win_rates(values.iloc[[2]], "high").loc["a", "b"] is not None
    assert np.isnan(win_rates(values.iloc[[2]], "high").loc["a", "b"])


def test_friedman_by_hand():
    # ranks are 1 2 3 on all four datasets: chi2 = 12 / (4*3*4) * (16 + 64 + 144) - 3*4*4 = 8
    found = friedman(table([[9, 5, 1], [8, 4, 2], [7, 6, 0], [5, 3, 1]]), "high")
    assert found.mean_ranks.to_dict() == {"a": 1, "b": 2, "c": 3}
    assert found.statistic == pytest.approx(8)
    assert found.p_value == pytest.approx(np.exp(-4))  # chi-squared with 2 degrees of freedom
    assert found.n_datasets == 4
    # Demsar 2006, table 5: q = 2.343 for three methods
    assert found.critical_difference == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 4)), rel=5e-4)
    low = friedman(table([[9, 5, 1], [8, 4, 2], [7, 6, 0], [5, 3, 1]]), "low")
    assert low.mean_ranks.to_dict() == {"a": 3, "b": 2, "c": 1}
    assert low.p_value == found.p_value


def test_friedman_and_nemenyi_are_those_of_the_libraries():
    import scikit_posthocs

    values = table(np.random.default_rng(0).normal([0, 0.2, 1, 1.5], size=(12, 4)).round(1))  # with ties
    found = friedman(values, "high")
    expected = stats.friedmanchisquare(*values.to_numpy().T)
    assert (found.statistic, found.p_value) == pytest.approx(tuple(expected))
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(values)
    assert found.nemenyi.to_numpy() == pytest.approx(nemenyi.to_numpy())
    assert found.nemenyi.columns.tolist() == list("abcd")


def test_the_critical_difference_is_where_nemenyi_reaches_its_level():
    values = table(np.random.default_rng(1).normal([0, 0.3, 0.6, 2], size=(15, 4)))
    found = friedman(values, "high")
    for a, b in combinations("abcd", 2):
        far = abs(found.mean_ranks[a] - found.mean_ranks[b]) > found.critical_difference
        assert far == (found.nemenyi.loc[a, b] < 0.05)


def test_friedman_needs_three_methods_and_two_datasets():
    assert friedman(table([[1, 2], [3, 4]]), "high") is None
    assert friedman(table([[1, 2, 3]]), "high") is None
    tied = friedman(table(np.ones((3, 3))), "high")
    assert (tied.statistic, tied.p_value, set(tied.mean_ranks)) == (0, 1, {2})
