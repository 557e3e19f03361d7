"""What the modules of figures share: `Drawn`, names, texts and panels."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stbench.board.board import Board
from stbench.board.columns import COLUMN, column_name, keys_of


@dataclass(frozen=True)
class Drawn:
    """A figure, the name of its files and the caption that goes under it."""

    name: str
    figure: Figure
    caption: str


def file_name(*parts: str) -> str:
    """``parts`` joined by ``_``, with the letters that every file system takes."""
    return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-") for part in parts if part)


def row_names(board: Board, *, controls: bool = False) -> list[str]:
    """The names of the rows, best first."""
    ranks = board.ranks()
    if not controls:
        ranks = ranks[ranks["kind"] != "control"]
    return board.names_of(ranks)


def named(board: Board, table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the columns ``name`` (of the row) and ``column`` (the dataset with its limit)."""
    return table.assign(
        name=board.names_of(table), column=[column_name(*key) for key in keys_of(table, COLUMN)]
    )


def short(column: str) -> str:
    """A column without its limit, for an axis; the caption names the limits."""
    return column.split(" [")[0]


def limits(board: Board) -> str:
    """The sentence that names the limits of a board, empty where there are none."""
    texts = sorted({limit for _, limit in board.columns if limit})
    return f" Datasets are cut to {' or '.join(texts)}." if texts else ""


def direction(board: Board, metric: str) -> str:
    """``pcc (higher is better)``."""
    best = board.metrics[metric].best
    return f"{metric} (best at the nominal level)" if best == "level" else f"{metric} ({best}er is better)"


def grid(n: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with ``n`` panels of that size in inches, four in a row."""
    n_columns = min(4, n)
    n_rows = -(-n // n_columns)
    figure = Figure(figsize=(width * n_columns + 1, height * n_rows), layout="constrained")
    axes = list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
    for ax in axes[n:]:
        ax.remove()
    return figure, axes[:n]
