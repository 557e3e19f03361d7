"""``leaderboard.csv``: one row per dataset, method, preset, limit and metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.leaderboard import register

if TYPE_CHECKING:
    from stbench.board.board import Board


@register("csv")
def summary_csv(board: Board, folder: Path) -> list[Path]:
    """The path of ``leaderboard.csv``, the table of `Board.summary` at full precision."""
    file = folder / "leaderboard.csv"
    board.summary().to_csv(file, index=False, lineterminator="\n")
    return [file]
