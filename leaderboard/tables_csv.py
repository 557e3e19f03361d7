"""Tables as CSV: ``leaderboard``, and the statistics ``intervals``, ``comparisons`` and others."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stbench.board.board import Board
from stbench.board.comparisons import over_datasets, paired_tests, win_table
from stbench.leaderboard import register

MEAN_RANKS = ["metric", "method", "preset", "mean_rank", "n_datasets"]
MEAN_RANKS += ["critical_difference", "friedman_statistic", "friedman_p_value"]


@register("csv")
def summary_csv(board: Board, folder: Path) -> list[Path]:
    """Write ``leaderboard.csv``, the table of `Board.summary` at full precision; returns its path."""
    return _write(folder, {"leaderboard.csv": board.summary()})


@register("statistics", slow=True)
def statistics_csv(board: Board, folder: Path) -> list[Path]:
    """Write four CSV files at full precision; returns their paths. Three have the primary metrics alone."""
    tables = {"comparisons": paired_tests, "win_rate": win_table, "critical_difference": _mean_ranks}
    found = {
        f"{name}.csv": pd.concat([make(board, metric) for metric in board.primary])
        for name, make in tables.items()
    }
    return _write(folder, {"intervals.csv": board.bootstrap_means} | found)


def _write(folder: Path, tables: dict[str, pd.DataFrame]) -> list[Path]:
    for name, table in tables.items():
        table.to_csv(folder / name, index=False, lineterminator="\n")
    return [folder / name for name in tables]


def _mean_ranks(board: Board, metric: str) -> pd.DataFrame:
    """Mean rank over datasets of every ranked row, with the tests of the metric in every row."""
    found = over_datasets(board, metric)
    if found is None:
        return pd.DataFrame(columns=MEAN_RANKS)
    table = found.mean_ranks.sort_values(kind="stable").rename("mean_rank").reset_index()
    return table.assign(
        metric=metric,
        n_datasets=found.n_datasets,
        critical_difference=found.critical_difference,
        friedman_statistic=found.statistic,
        friedman_p_value=found.p_value,
    )[MEAN_RANKS]
