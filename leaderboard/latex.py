"""Tables in LaTeX: ``table1.tex`` is a document; ``table1_body.tex`` and ``ranks_body.tex`` are for papers.

They are included with ``\\input`` and need the packages booktabs and array. Nothing
is scaled: long names break into lines, and a table has as many datasets as fit into its width.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from math import isnan
from pathlib import Path

from stbench.board.board import Board
from stbench.board.columns import ROW
from stbench.board.comparisons import over_datasets
from stbench.board.statistics import Friedman
from stbench.board.submitted import ELSEWHERE
from stbench.board.tables import Block, Cell, Line, headers, notes, rank_columns, table1
from stbench.leaderboard import register

MAX_COLUMNS = 4  # datasets per table, which fit into a page of article; the next table has the others
MAX_LINES = 45  # per page
NEEDS = "% needs \\usepackage{booktabs,array}"
SMALL = "\\centering\\scriptsize\\tabcolsep=2pt"
# parts of the width: the name of a method, its preset, a dataset
NAME, PRESET, SCORE = (
    f">{{\\{side}\\arraybackslash}}p{{{width}\\linewidth}}"
    for side, width in (("raggedright", 0.17), ("raggedright", 0.11), ("centering", 0.16))
)

SPECIAL = {letter: f"\\{letter}" for letter in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after a line break LaTeX reads a bare [ or * as its argument
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "–": "--",
}


@register("latex")
def latex(board: Board, folder: Path) -> list[Path]:
    """Write ``table1.tex``, a document, and ``table1_body.tex``, its tables; returns their paths."""
    body = tables(board)
    files = {"table1.tex": document(body), "table1_body.tex": f"{NEEDS}\n{body}"}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def document(body: str) -> str:
    """A document that contains ``body``."""
    return (
        "\\documentclass[10pt,a4paper]{article}\n"
        "\\usepackage{booktabs,array}\n"
        "\\oddsidemargin=-10mm \\textwidth=180mm \\topmargin=-20mm \\textheight=255mm\n"
        "\\pagestyle{empty}\n"
        f"\\begin{{document}}\n{body}\\end{{document}}\n"
    )


def tables(board: Board) -> str:
    """The tables of ``table1_body.tex``."""
    return "\n".join(_tables(board)) + "\n"


def _tables(board: Board) -> Iterator[str]:
    """One float per group of datasets and of metrics that fit on a page; the first has the notes."""
    blocks, names = table1(board), headers(board)
    n_lines = max(len(block.lines) for block in blocks) + 2
    per_page = max(1, MAX_LINES // n_lines)
    continued = ""
    for start in range(0, len(names), MAX_COLUMNS):
        columns = slice(start, start + MAX_COLUMNS)
        for first in range(0, len(blocks), per_page):
            yield from ("\\begin{table*}[p]", f"{SMALL}\\renewcommand{{\\arraystretch}}{{1.1}}")
            yield f"\\caption{{Methods $\\times$ datasets, mean $\\pm$ sd over test genes{continued}.}}"
            head = ["method", "preset", *map(_broken, names[columns])]
            groups = (_block(block, columns) for block in blocks[first : first + per_page])
            yield from _tabular(NAME + PRESET + SCORE * (len(head) - 2), head, groups)
            if not continued:
                yield "\\par\\medskip\\begin{minipage}{\\textwidth}"
                yield from (f"{escape(note)}\\par" for note in notes(board))
                yield "\\end{minipage}"
            yield "\\end{table*}"
            continued = ", continued"


def _block(block: Block, columns: slice) -> list[str]:
    """The rows of one metric: its name, the methods, those run elsewhere, the controls."""
    span = f"\\multicolumn{{{len(block.lines[0].cells[columns]) + 2}}}{{@{{}}l}}"
    rows = [f"{span}{{\\textbf{{{escape(block.name)}}} ({block.direction})}} \\\\"]
    rows += [_line(line, columns) for line in block.methods]
    for name, lines in ((ELSEWHERE, block.submitted), ("controls", block.controls)):
        if lines:
            rows.append(f"{span}{{\\textit{{{name}}}}} \\\\")
            rows += [_line(line, columns) for line in lines]
    return rows


def _tabular(columns: str, head: list[str], groups: Iterable[list[str]]) -> Iterator[str]:
    """A tabular in the style of booktabs."""
    yield from (f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}", "\\toprule", _row(head))
    for rows in groups:
        yield from ("\\midrule", *rows)
    yield from ("\\bottomrule", "\\end{tabular}")


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + " \\\\"


def _broken(name: str) -> str:
    """A name that may break into lines behind every sign that is no letter, digit or space."""
    parts = re.split(r"(?<=[\W_])(?<=\S)(?=\S)", name)
    return "\\allowbreak ".join(map(escape, parts))


def _line(line: Line, columns: slice) -> str:
    return _row([_broken(line.method), escape(line.setting), *(_cell(cell) for cell in line.cells[columns])])


def _cell(cell: Cell) -> str:
    """A score, with its status if that is not ok; or the status alone if the score is missing."""
    status = f"\\textit{{{escape(cell.status)}}}"
    if isnan(cell.mean):
        return "--" if cell.empty else status
    spread = "" if isnan(cell.sd) else f"~$\\pm$~{cell.sd:.3f}"
    text = _number(cell.mean) + spread
    text = {"best": f"\\textbf{{{text}}}", "second": f"\\underline{{{text}}}", "": text}[cell.mark]
    return text if cell.status == "ok" else f"{text} ({status})"


@register("latex_ranks")
def latex_ranks(board: Board, folder: Path) -> list[Path]:
    """Write ``ranks_body.tex``, the ranks with their test in the caption; returns its path."""
    file = folder / "ranks_body.tex"
    file.write_text("\n".join([NEEDS, *_ranks(board)]) + "\n", encoding="utf-8")
    return [file]


def _ranks(board: Board) -> Iterator[str]:
    heads = rank_columns(board)
    scores = {name: head for name, head in heads.items() if name.startswith("AS")}
    heads = scores | {"mean_rank": "mean rank"} | heads
    found = over_datasets(board)
    ranks = board.ranks()
    ranks = ranks[ranks["kind"] != "control"].set_index(ROW)
    ranks["mean_rank"] = float("nan") if found is None else found.mean_ranks.reindex(ranks.index)
    rows = []
    for index, row in ranks.iterrows():
        numbers = [_number(row[name]) for name in heads]
        rows.append(_row([_broken(board.names[index]), *numbers, f"{row['n_ok']} of {row['n_columns']}"]))
    lines = (map(escape, textwrap.wrap(head, 9)) for head in heads.values())
    shown = ["\\shortstack[r]{" + "\\\\".join(one) + "}" for one in lines]
    yield from ("\\begin{table*}[t]", SMALL)
    yield f"\\caption{{{escape(_caption(board.headline, found))}}}"
    yield from _tabular(NAME + "r" * (len(heads) + 1), ["method", *shown, "datasets"], [rows])
    yield "\\end{table*}"


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
    return "--" if isnan(value) else f"{value:z.3f}".replace("-", "$-$")


def escape(text: str) -> str:
    """``text`` on one line for text mode; others outside ASCII are shown as their code points."""
    text = " ".join(text.split())
    return "".join(SPECIAL.get(x, x if x.isascii() else f"\\texttt{{U+{ord(x):04X}}}") for x in text)
