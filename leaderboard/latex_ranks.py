"""The ranks of a board and the test behind them in LaTeX: ``ranks_body.tex``, for ``\\input``."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.leaderboard import register

from .latex import escape

if TYPE_CHECKING:
    from stbench.board.board import Board
    from stbench.board.statistics import Friedman


@register("latex_ranks")
def latex_ranks(board: Board, folder: Path) -> list[Path]:
    """The path of ``ranks_body.tex``; it needs the graphicx package."""
    file = folder / "ranks_body.tex"
    text = "\n".join(["% needs \\usepackage{graphicx}", *_table(board)]) + "\n"
    file.write_text(text, encoding="utf-8")
    return [file]


def _table(board: Board) -> Iterator[str]:
    from stbench.board.columns import ROW
    from stbench.board.comparisons import over_datasets
    from stbench.board.tables import rank_columns

    names = rank_columns(board)
    ranked = {name: head for name, head in names.items() if name.startswith("AS")}
    names = ranked | {"mean_rank": "mean rank"} | names
    found = over_datasets(board)
    ranks = board.ranks()
    ranks = ranks[ranks["kind"] != "control"].set_index(ROW)
    ranks["mean_rank"] = float("nan") if found is None else found.mean_ranks.reindex(ranks.index)
    yield "\\begin{table}[t]"
    yield "\\centering\\scriptsize"
    yield f"\\caption{{{escape(_caption(board.headline, found))}}}"
    yield "\\sbox0{%"
    yield f"\\begin{{tabular}}{{@{{}}l*{{{len(names)}}}{{r}}l@{{}}}}"
    yield "\\hline"
    heads = ["\\shortstack{" + escape(name).replace(" ", "\\\\", 1) + "}" for name in names.values()]
    yield " & ".join(["method", *heads, "datasets"]) + " \\\\"
    yield "\\hline"
    for index, row in ranks.iterrows():
        numbers = [_number(row[name]) for name in names]
        yield (
            " & ".join([escape(board.names[index]), *numbers, f"{row['n_ok']} of {row['n_columns']}"])
            + " \\\\"
        )
    yield from ("\\hline", "\\end{tabular}}%")
    yield "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox0}\\else\\usebox0\\fi"
    yield "\\end{table}"


def _caption(metric: str, found: Friedman | None) -> str:
    text = (
        "Ranks over datasets. AS: mean of rank/N over metrics and datasets, 1 is best; a method that is not "
        "ok on every dataset has none. With failures last, a method run everywhere is last where it failed."
    )
    if found is None:
        return text
    return (
        f"{text} Mean rank in {metric} over {found.n_datasets} datasets, 1 is best; Friedman: chi-squared "
        f"{found.statistic:.1f}, p = {found.p_value:.2g}; Nemenyi: critical difference "
        f"{found.critical_difference:.2f} at 5%."
    )


def _number(value: float) -> str:
    return "--" if isnan(value) else f"{value:.3f}".replace("-", "$-$")
