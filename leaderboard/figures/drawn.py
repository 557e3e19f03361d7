"""`Drawn`, and the names, texts and panels that the figure modules share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stbench.board.board import Board
from stbench.board.columns import COLUMN, column_name, keys_of
from stbench.board.tables import direction


@dataclass(frozen=True)
class Drawn:
    """A figure: the name of its files, its caption, and what draws it from which data.

    ``draw`` is a function of a module and ``data`` its arguments, so that another process can draw the figure
    and a change of what it shows is noticed.
    """

    name: str
    caption: str
    draw: Callable[..., Figure]
    data: tuple[Any, ...]

    @cached_property
    def figure(self) -> Figure:
        """The figure, drawn."""
        return self.draw(*self.data)


def file_name(*parts: str) -> str:
    """``parts`` joined by ``_``, with characters that every file system accepts."""
    return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-") for part in parts if part)


def row_names(board: Board) -> list[str]:
    """The names of the rows without controls, best first."""
    ranks = board.ranks()
    return board.names_of(ranks[ranks["kind"] != "control"])


def named(board: Board, table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the columns ``name`` (of the row) and ``column`` (the dataset with its limit)."""
    columns = [column_name(*key) for key in keys_of(table, COLUMN)]
    return table.assign(name=board.names_of(table), column=columns)


def of_metric(board: Board, table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of ``table`` for one metric, without controls and with the columns of `named`."""
    return named(board, table[(table["metric"] == metric) & (table["kind"] != "control")])


def short(column: str) -> str:
    """A column without its limit, for an axis; the caption names the limits."""
    return column.split(" [")[0]


def limits(board: Board) -> str:
    """The sentence that names the limits of a board, empty without limits."""
    texts = sorted({limit for _, limit in board.columns if limit})
    return f" Datasets are cut to {' or '.join(texts)}." if texts else ""


def with_direction(board: Board, metric: str) -> str:
    """``pcc (higher is better)``."""
    return f"{metric} ({direction(board.metrics[metric].best)})"


def grid(n: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with ``n`` panels, four in a row; ``width`` and ``height`` of a panel are in inches."""
    n_columns = min(4, n)
    n_rows = -(-n // n_columns)
    figure = Figure(figsize=(width * n_columns + 1, height * n_rows), layout="constrained")
    axes = list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
    for ax in axes[n:]:
        ax.remove()
    return figure, axes[:n]
