"""Tables as CSV: ``leaderboard``, and the statistics ``intervals``, ``comparisons`` and others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.leaderboard import register

if TYPE_CHECKING:
    import pandas as pd

    from stbench.board.board import Board


@register("csv")
def summary_csv(board: Board, folder: Path) -> list[Path]:
    """The path of ``leaderboard.csv``, the table of `Board.summary` at full precision."""
    file = folder / "leaderboard.csv"
    board.summary().to_csv(file, index=False, lineterminator="\n")
    return [file]


@register("statistics", slow=True)
def statistics_csv(board: Board, folder: Path) -> list[Path]:
    """The paths of four CSV files at full precision; the last three hold the primary metrics."""
    import pandas as pd

    from stbench.board.comparisons import paired_tests, win_table

    tables = {
        "intervals.csv": board.bootstrap_means,
        "comparisons.csv": pd.concat([paired_tests(board, metric) for metric in board.primary]),
        "win_rate.csv": pd.concat([win_table(board, metric) for metric in board.primary]),
        "critical_difference.csv": pd.concat([_mean_ranks(board, metric) for metric in board.primary]),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, index=False, lineterminator="\n")
    return [folder / name for name in tables]


def _mean_ranks(board: Board, metric: str) -> pd.DataFrame:
    """Mean rank over datasets of every ranked row, and the tests of the metric repeated beside it."""
    import pandas as pd

    from stbench.board.comparisons import over_datasets

    columns = ["metric", "method", "preset", "mean_rank", "n_datasets"]
    columns += ["critical_difference", "friedman_statistic", "friedman_p_value"]
    found = over_datasets(board, metric)
    if found is None:
        return pd.DataFrame(columns=columns)
    table = found.mean_ranks.sort_values(kind="stable").rename("mean_rank").reset_index()
    return table.assign(
        metric=metric,
        n_datasets=found.n_datasets,
        critical_difference=found.critical_difference,
        friedman_statistic=found.statistic,
        friedman_p_value=found.p_value,
    )[columns]
