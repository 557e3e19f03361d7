"""The short table at the end of `stbench run`: mean scores, and the datasets where a method failed."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from stbench.board.board import Board
    from stbench.board.tables import Cell

MAX_COLUMNS = 6  # more datasets are wider than a terminal


def console() -> Console:
    """The terminal, or for a log one that is wide, so that lines are not folded."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=200)


def show(board: Board, console: Console) -> None:
    """Print methods x datasets of the mean headline metric, with AS.

    Rows that were run elsewhere are below the methods, and controls below them. For more than `MAX_COLUMNS`
    datasets: their mean, and the number of datasets that are ok.
    """
    from stbench.board.tables import headers, metric_block
    from stbench.board.words import in_words

    block, names, ranks = metric_block(board, board.headline), headers(board), board.ranks()
    shown = range(len(names)) if len(board.columns) <= MAX_COLUMNS else [len(names) - 1]
    table = Table(title=f"Mean {board.headline} over test genes ({block.direction})", title_justify="left")
    for name in ("method", "preset"):
        table.add_column(name, no_wrap=True)
    for name in ("AS", *board.without_redundant.values(), *(names[i] for i in shown), "datasets ok"):
        table.add_column(Text(name), justify="right")

    rows = ranks.set_index(["method", "kind", "preset"]).to_dict("index")
    for lines in (block.methods, block.submitted, block.controls):
        for line in lines:
            row = rows[line.method, line.kind, line.preset]
            scores = [_number(row[name]) for name in ("AS", *board.without_redundant)]
            cells = [_text(line.cells[i]) for i in shown]
            n_ok = f"{row['n_ok']} of {row['n_columns']}"
            table.add_row(Text(line.method), Text(line.setting), *scores, *cells, n_ok)
        table.add_section()
    console.print(table)
    for sentence in in_words(board)[:2]:
        console.print(sentence, markup=False, highlight=False)


def show_comparison(table: pd.DataFrame, titles: tuple[str, str], console: Console) -> None:
    """Print the lines of `stbench.board.compare`."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("")
    for name in (
        *titles,
        "difference",
        "95 % interval",
        *(["p (Wilcoxon)"] if "p" in table else []),
        "genes",
    ):
        shown.add_column(Text(name), justify="right")
    for name, row in table.iterrows():
        cells = [_number(row["first"]), _number(row["second"]), f"{row['difference']:+.3f}"]
        cells.append(f"{row['low']:+.3f} to {row['high']:+.3f}")
        if "p" in table:
            cells.append("–" if isnan(row["p"]) else f"{row['p']:.2g}")
        shown.add_row(Text(str(name)), *cells, f"{row['genes']:.0f}")
    console.print(shown)


def _text(cell: Cell) -> Text:
    style = {"best": "bold", "second": "underline", "": ""}[cell.mark]
    text = Text(_number(cell.mean), style) if not isnan(cell.mean) else Text()
    if cell.status not in ("", "ok"):
        text = Text(" ").join(part for part in (text, Text(cell.status, "red")) if part)
    return text or Text("–")


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.3f}"
