"""Comparisons of methods on a `Board`: tests over genes in each dataset, win rates, tests over datasets.

Within a dataset, the baselines and methods that are ``ok`` there are compared; over datasets, those that are
``ok`` in all. Controls are never compared. The default metric is the headline metric.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import COLUMN, ROW, keys_of
from stbench.board.statistics import (
    COMPARISON,
    N_RESAMPLES,
    Best,
    Friedman,
    friedman,
    paired_wilcoxon,
    quantiles,
    resampled_means,
    win_rates,
)
from stbench.errors import StbenchError

T = TypeVar("T")

PAIR = ["method", "preset", "other_method", "other_preset"]


def once(function: Callable[..., T]) -> Callable[..., T]:
    """Decorator: the result for the same board and arguments is kept on the board, for all renderers.

    Nobody may change it.
    """

    @functools.wraps(function)
    def call(board: Board, *arguments: Any) -> T:
        kept = vars(board).setdefault("_kept", {})
        key = function.__name__, *arguments
        if key not in kept:
            kept[key] = function(board, *arguments)
        found: T = kept[key]
        return found

    return call


@once
def paired_tests(board: Board, metric: str | None = None) -> pd.DataFrame:
    """Wilcoxon tests over genes between all pairs, dataset by dataset, with Holm's correction in each.

    One row per column of the board and pair: dataset, limit, metric, `PAIR`, and the numbers of
    `stbench.board.statistics.paired_wilcoxon`. Differences are method minus other method.
    """
    metric = metric or board.headline
    frames = []
    for column in board.columns:
        table = _expand(paired_wilcoxon(board.gene_table(*column, metric)))
        frames.append(table.assign(**dict(zip(COLUMN, column, strict=True)), metric=metric))
    return pd.concat(frames, ignore_index=True)[[*COLUMN, "metric", *PAIR, *COMPARISON[2:]]]


def win_table(board: Board, metric: str | None = None) -> pd.DataFrame:
    """How often a method beats another: the share of genes in each dataset, then the mean over datasets.

    One row per ordered pair: metric, `PAIR`, ``win_rate`` (a tie is half a win), and ``n_datasets`` and
    ``n_genes`` where both are ok. A pair without a common dataset has no row.
    """
    metric = metric or board.headline
    best = _best(board, metric)
    frames = []
    for column in board.columns:
        genes = board.gene_table(*column, metric)
        rates = win_rates(genes, best)
        rows = [(a, b, rates.loc[a, b]) for a in rates for b in rates if a != b]
        frames.append(pd.DataFrame(rows, columns=["first", "second", "win_rate"]).assign(n_genes=len(genes)))
    pairs = pd.concat(frames, ignore_index=True).groupby(["first", "second"], as_index=False)
    table = pairs.agg(
        win_rate=("win_rate", "mean"), n_datasets=("win_rate", "size"), n_genes=("n_genes", "sum")
    )
    return _expand(table).assign(metric=metric)[["metric", *PAIR, "win_rate", "n_datasets", "n_genes"]]


def over_datasets(board: Board, metric: str | None = None) -> Friedman | None:
    """Friedman and Nemenyi tests of the means of all ranked rows, over the datasets that have the metric.

    Methods are (method, kind, preset). None for fewer than three ranked rows or two datasets.
    """
    metric = metric or board.headline
    summary = board.summary().set_index(ROW)
    table = summary[(summary["metric"] == metric) & summary.index.isin(board.ranked)].reset_index()
    means = table.pivot(index=COLUMN, columns=ROW, values="mean").dropna(axis=1)
    return friedman(means, _best(board, metric))


def overall(board: Board, metric: str | None = None) -> pd.DataFrame:
    """Mean over the datasets of every ranked row, best first: columns ``mean``, ``low``, ``high``, ``group``.

    The 95 % interval is that of `stbench.board.statistics.bootstrap_intervals`, with the datasets as they
    are. A row begins a new ``group`` (from 1) when its difference from the best row of the group before has
    an interval without zero; the rows of one group are not separated from its best.
    """
    metric = metric or board.headline
    means, resampled = _over_columns(board, metric)
    table = pd.DataFrame({"mean": means})
    table[["low", "high"]] = quantiles(resampled) if len(means) else np.nan
    order = np.argsort(means.to_numpy() * (1 if _best(board, metric) == "low" else -1), kind="stable")
    groups = pd.Series(1, index=means.index)
    head, group = order[:1], 1
    for place in order[1:]:
        low, high = quantiles(resampled[:, head] - resampled[:, [place]])[0]
        if low > 0 or high < 0:
            head, group = np.array([place]), group + 1
        groups.iloc[place] = group
    return table.assign(group=groups).iloc[order]


def differences(board: Board, row: tuple[str, str, str], metric: str | None = None) -> pd.DataFrame:
    """``row`` minus every other ranked row, mean over datasets: columns ``mean``, ``low``, ``high``.

    The intervals are those of `overall`: both rows have the same resamples.
    """
    means, resampled = _over_columns(board, metric or board.headline)
    place = means.index.get_loc(row)
    table = pd.DataFrame({"mean": means.iloc[place] - means})
    table[["low", "high"]] = quantiles(resampled[:, [place]] - resampled)
    return table.drop(index=[row])


@once
def _over_columns(board: Board, metric: str) -> tuple[pd.Series, np.ndarray]:
    """The means over datasets of all ranked rows, and the same in every resample, (n_resamples, n_rows)."""
    rows = board.ranked
    rng = np.random.default_rng(0)
    means, resampled = [], []
    for column in board.columns:
        genes = board.gene_table(*column, metric).reindex(columns=rows)
        if len(genes) == 0:
            continue
        rotations = board.tested.loc[column].loc[genes.index]
        means.append(genes.mean())
        resampled.append(resampled_means(genes, rotations, n_resamples=N_RESAMPLES, rng=rng))
    if not means:
        return pd.Series(np.nan, index=rows), np.full((N_RESAMPLES, len(rows)), np.nan)
    return pd.concat(means, axis=1).mean(axis=1), np.mean(resampled, axis=0)


def name_pairs(board: Board, table: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns `PAIR`, and the names of both methods in ``first`` and ``second``."""
    names = {(method, preset): name for (method, _, preset), name in board.names.items()}
    first, second = ([names[key] for key in keys_of(table, pair)] for pair in (PAIR[:2], PAIR[2:]))
    return table.assign(first=first, second=second)


def _best(board: Board, metric: str) -> Best:
    """Whether ``high`` or ``low`` wins; raises for a metric without a winner."""
    best = board.metrics[metric].best
    if best == "level":
        raise StbenchError(f"The metric '{metric}' is best at the nominal level: it has no winner.")
    return best


def _expand(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns `PAIR` from ``first`` and ``second``, both (method, kind, preset)."""
    names = [(a[0], a[2], b[0], b[2]) for a, b in zip(table["first"], table["second"], strict=True)]
    return table.join(pd.DataFrame(names, columns=PAIR, index=table.index))
