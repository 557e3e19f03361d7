"""The columns of the first table of the page: their heads, and their cells as text with what sorts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stbench.board.board import Board
from stbench.board.columns import preset_text
from stbench.board.submitted import SUBMITTED
from stbench.board.tables import shares

NOTHING, UNKNOWN = "–", "unknown"
Row = dict[str, Any]
EMPTY = "", NOTHING, UNKNOWN
RUN = "of the whole run, with its start and reading, median"


@dataclass(frozen=True)
class Column:
    """One column: ``text`` of a row, and ``order``, the field that sorts it; empty: the text does.

    Rows without a value come last when the best is first: with the highest value (``best`` is ``high``) or
    with the lowest.
    """

    head: str
    text: Callable[[Row], str]
    order: str = ""
    best: str = "high"
    title: str = ""
    style: str = "num"

    def value(self, row: Row) -> Any:
        """What sorts the row in this column."""
        value = row[self.order]
        return value if value is not None else (-1e15 if self.best == "high" else 1e15)


def ranking(board: Board, rows: list[Row]) -> list[Column]:
    """The columns behind the name of the method; those without any value are left out."""
    interval = "95 % bootstrap interval of the mean, over rotations and genes"
    tied = "Methods of one group are not separated from its best: their difference has an interval with zero"
    moran = "Mean absolute difference of Moran's I from that of the truth: 0 is best"
    columns = [
        _number("AS", "AS", style="num bar"),
        _number(f"Mean {board.headline}", board.headline),
        Column("Interval", _interval, "low", title=interval, style="num span"),
        _number("Group", "group", digits=0, best="low", title=tied),
        _number("Moran's I off by", "moran", best="low", title=moran),
        *(_number(head, key) for key, head in board.without_redundant.items()),
        *(Column(head.capitalize(), _share(key), key) for key, head in shares(board).items()),
        Column("Datasets ok", lambda row: f"{row['n_ok']} of {row['n_columns']}", "n_ok"),
        Column("Family", lambda row: row["family"] or NOTHING, style=""),
        Column("Preset", lambda row: preset_text(row["preset"]) or NOTHING, style="span"),
        _cost("Method, s", "predict_s", "of predict() alone, median"),
        _cost("Method, CPU s", "predict_cpu_s", "CPU seconds of predict(), median"),
        _cost("Run, s", "wall_s", RUN),
        _cost("GB", "peak_rss_bytes", "peak memory, median", unit=1e9),
        Column("Why not ranked", lambda row: row["reason"], style="reason"),
    ]
    methods = [row for row in rows if row["kind"] != "control"]
    return [column for column in columns if any(column.text(row) not in EMPTY for row in methods)]


def _number(
    head: str, key: str, *, digits: int = 3, unit: float = 1, best: str = "high", **more: str
) -> Column:
    return Column(head, lambda row: number(row[key], digits, unit), key, best, **more)


def _cost(head: str, key: str, title: str, unit: float = 1) -> Column:
    def text(row: Row) -> str:
        return UNKNOWN if row["kind"] == SUBMITTED else number(row[key], 2, unit)

    return Column(head, text, key, "low", title)


def _share(key: str) -> Callable[[Row], str]:
    return lambda row: percent(row[key])


def _interval(row: Row) -> str:
    return NOTHING if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"


def number(value: float | None, digits: int = 3, unit: float = 1) -> str:
    """The value in a unit, rounded to some digits."""
    return NOTHING if value is None or value != value else f"{value / unit:z.{digits}f}"


def percent(value: float | None) -> str:
    """A share in whole percent."""
    return NOTHING if value is None or value != value else f"{100 * value:z.0f} %"
