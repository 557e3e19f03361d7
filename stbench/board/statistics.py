"""Statistics of per-gene scores on plain tables: bootstrap intervals, paired tests, win rates, Friedman.

Tables are genes x methods, or datasets x methods, with one score per cell. Which rows may be compared is
decided in `stbench.board.board.Board`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

Best = Literal["high", "low"]

LEVEL = 0.95
N_RESAMPLES = 2000
ALPHA = 0.05
DIGITS = 12  # equal up to rounding is a tie
COMPARISON = ["first", "second", "n_genes", "mean_difference", "median_difference", "p_value", "p_holm"]


def bootstrap_intervals(
    values: pd.DataFrame,
    rotations: Sequence[object],
    *,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Percentile intervals of the column means, columns ``low`` and ``high``, one row per column.

    A resample draws rotations with replacement, then in each as many genes as it has (a two-stage cluster
    bootstrap: genes of a rotation share one fit). All columns have the same resamples. Missing values are
    left out; a column with fewer than two values has no interval. ``rotations`` has the rotation that tested
    each gene, (n_genes,); ``level`` is the nominal coverage.
    """
    found = pd.DataFrame(np.nan, index=values.columns, columns=["low", "high"])
    enough = values.notna().sum(axis=0).to_numpy() > 1
    if not enough.any():
        return found
    rng = np.random.default_rng(seed)
    means = resampled_means(values.loc[:, enough], rotations, n_resamples=n_resamples, rng=rng)
    found.loc[enough] = quantiles(means, level)
    return found


def resampled_means(
    values: pd.DataFrame, rotations: Sequence[object], *, n_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """The column means in every resample of `bootstrap_intervals`, (n_resamples, n_columns)."""
    weights = _resamples(np.asarray(rotations), n_resamples, rng)
    sums = weights @ values.fillna(0).to_numpy()
    counts = weights @ values.notna().to_numpy().astype(float)
    means: np.ndarray = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return means


def quantiles(resampled: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """The ends of the percentile interval of every column of a table resamples x columns, (n_columns, 2)."""
    ends: np.ndarray = np.nanquantile(resampled, ((1 - level) / 2, (1 + level) / 2), axis=0).T
    return ends


def _resamples(rotations: np.ndarray, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each gene is drawn in each resample, (n_resamples, n_genes)."""
    names, index = np.unique(rotations, return_inverse=True)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_resamples)
    weights = np.empty((n_resamples, len(rotations)))
    for k in range(len(names)):
        genes = np.flatnonzero(index == k)
        weights[:, genes] = rng.multinomial(drawn[:, k] * len(genes), np.full(len(genes), 1 / len(genes)))
    return weights


def paired_wilcoxon(values: pd.DataFrame) -> pd.DataFrame:
    """Wilcoxon signed-rank test over genes of every pair of methods (columns `COMPARISON`).

    Differences are first minus second, over the genes that every method has; differences of 0 are left out
    of the test (Wilcoxon's own rule). Two-sided p-values of scipy, and their Holm correction over all
    pairs of the table. Without genes or without differences, p is 1. ``values`` is genes x methods.
    """
    from scipy.stats import wilcoxon

    values = values.dropna()
    pairs = list(combinations(values.columns, 2))
    if not pairs:
        return pd.DataFrame(columns=COMPARISON)
    differences = np.column_stack([values[a] - values[b] for a, b in pairs]).round(DIGITS)
    mean = median = np.full(len(pairs), np.nan)
    p_values = np.ones(len(pairs))
    if len(values):
        mean, median = differences.mean(axis=0), np.median(differences, axis=0)
        differ = differences.any(axis=0)
        # one test at a time: the ties of each decide whether scipy's test is exact or approximate
        p_values[differ] = [wilcoxon(column).pvalue for column in differences[:, differ].T]
    first, second = zip(*pairs, strict=True)
    columns = list(first), list(second), len(values), mean, median, p_values, holm(p_values)
    return pd.DataFrame(dict(zip(COMPARISON, columns, strict=True)))


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values corrected by Holm's step-down method, in their order, (n_tests,).

    The function of statsmodels gives the same, and collects all garbage of the process at every call.
    """
    order = np.argsort(p_values)
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(steps, 1)
    return corrected


def win_rates(values: pd.DataFrame, best: Best) -> pd.DataFrame:
    """Share of the genes on which the row beats the column, methods x methods; a tie is half a win.

    Only genes that both have count; NaN without such a gene. A method against itself is one half. ``values``
    is genes x methods.
    """
    scores = values.to_numpy(dtype=float).round(DIGITS) * (1 if best == "high" else -1)
    difference = scores[:, :, None] - scores[:, None, :]  # (n_genes, n_methods, n_methods)
    n_genes = (~np.isnan(difference)).sum(axis=0)
    wins = (difference > 0).sum(axis=0) + (difference == 0).sum(axis=0) / 2
    rates = np.divide(wins, n_genes, out=np.full(wins.shape, np.nan), where=n_genes > 0)
    return pd.DataFrame(rates, index=values.columns, columns=values.columns)


@dataclass(frozen=True)
class Friedman:
    """Methods compared over datasets (Demsar 2006, Journal of Machine Learning Research 7).

    Attributes
    ----------
    statistic, p_value
        Friedman's chi-squared test that all methods have the same mean rank.
    mean_ranks
        Mean over datasets of the rank within each, by method; 1 is best, ties share their mean rank.
    nemenyi
        p-values of Nemenyi's test for all pairs, methods x methods.
    critical_difference
        The smallest difference of mean ranks that is significant at level `ALPHA` in Nemenyi's test.
    """

    statistic: float
    p_value: float
    mean_ranks: pd.Series
    nemenyi: pd.DataFrame
    critical_difference: float
    n_datasets: int


def friedman(means: pd.DataFrame, best: Best) -> Friedman | None:
    """Friedman and Nemenyi tests over datasets; None for fewer than three methods or two datasets.

    ``means`` is datasets x methods, without missing values.
    """
    from scikit_posthocs import posthoc_nemenyi_friedman
    from scipy.stats import friedmanchisquare, studentized_range

    n_datasets, n_methods = means.shape
    if n_methods < 3 or n_datasets < 2:
        return None
    means = means.round(DIGITS)
    ranks = means.rank(axis=1, ascending=best == "low")
    if (ranks.nunique(axis=1) == 1).all():  # all tied everywhere: the statistic is 0 / 0
        statistic, p_value = 0.0, 1.0
    else:
        statistic, p_value = friedmanchisquare(*(means[name] for name in means))
    nemenyi = posthoc_nemenyi_friedman(means.to_numpy()).set_axis(means.columns)
    nemenyi = nemenyi.set_axis(means.columns, axis=1)
    quantile = studentized_range.ppf(1 - ALPHA, n_methods, np.inf) / np.sqrt(2)
    distance = quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets))
    return Friedman(float(statistic), float(p_value), ranks.mean(), nemenyi, float(distance), n_datasets)
