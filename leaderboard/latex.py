"""The paper's Table I shape in LaTeX: ``table1.tex`` compiles alone, ``table1_body.tex`` is for ``\\input``.

It needs nothing beyond the graphicx package.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.leaderboard import register

if TYPE_CHECKING:
    from stbench.board.board import Board
    from stbench.board.tables import Block, Cell, Line

MAX_COLUMNS = 6  # datasets side by side; more go to the next table
MAX_LINES = 60  # what a page holds

SPECIAL = {letter: f"\\{letter}" for letter in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # behind a line break a bare [ or * would be read as its argument
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "–": "--",
}


@register("latex")
def latex(board: Board, folder: Path) -> list[Path]:
    """The paths of ``table1.tex``, a whole document, and ``table1_body.tex``, the same tables alone."""
    body = "\n".join(_tables(board)) + "\n"
    document = (
        "\\documentclass[10pt,a4paper]{article}\n"
        "\\usepackage{graphicx}\n"
        "\\oddsidemargin=-10mm \\textwidth=180mm \\topmargin=-20mm \\textheight=255mm\n"
        "\\pagestyle{empty}\n"
        f"\\begin{{document}}\n{body}\\end{{document}}\n"
    )
    files = {"table1.tex": document, "table1_body.tex": "% needs \\usepackage{graphicx}\n" + body}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _tables(board: Board) -> Iterator[str]:
    """One float per group of datasets and of metrics that fit on a page; the notes under the first."""
    from stbench.board.tables import headers, notes, table1

    blocks, names = table1(board), headers(board)
    n_lines = max(len(block.lines) for block in blocks) + 2
    per_page = max(1, MAX_LINES // n_lines)
    continued = ""
    for start in range(0, len(names), MAX_COLUMNS):
        columns = slice(start, start + MAX_COLUMNS)
        for first in range(0, len(blocks), per_page):
            yield from ("\\begin{table*}[p]", "\\centering\\scriptsize\\renewcommand{\\arraystretch}{1.2}")
            yield f"\\caption{{Methods $\\times$ datasets, mean $\\pm$ sd over test genes{continued}.}}"
            yield from _tabular(names[columns], blocks[first : first + per_page], columns)
            if not continued:
                yield "\\par\\medskip\\begin{minipage}{\\textwidth}"
                yield from (f"{escape(note)}\\par" for note in notes(board))
                yield "\\end{minipage}"
            yield "\\end{table*}"
            continued = ", continued"


def _tabular(names: list[str], blocks: list[Block], columns: slice) -> Iterator[str]:
    """The tabular of some blocks and columns, shrunk where it is wider than the page."""
    yield "\\sbox0{%"
    yield f"\\begin{{tabular}}{{@{{}}ll*{{{len(names)}}}{{c}}@{{}}}}"
    yield "\\hline"
    yield " & ".join(["method", "preset", *(_header(name) for name in names)]) + " \\\\"
    for block in blocks:
        yield "\\hline"
        title = f"\\textbf{{{escape(block.name)}}} ({block.direction})"
        yield f"\\multicolumn{{{len(names) + 2}}}{{@{{}}l}}{{{title}}} \\\\"
        yield from (_line(line, columns) for line in block.methods)
        if block.controls:
            yield f"\\multicolumn{{{len(names) + 2}}}{{@{{}}l}}{{\\textit{{controls}}}} \\\\"
        yield from (_line(line, columns) for line in block.controls)
    yield "\\hline"
    yield "\\end{tabular}}%"
    yield "\\ifdim\\wd0>\\textwidth\\resizebox{\\textwidth}{!}{\\usebox0}\\else\\usebox0\\fi"


def _header(name: str) -> str:
    """A column's name; its limit goes to a second line."""
    dataset, bracket, limit = name.partition(" [")
    return f"\\shortstack{{{escape(dataset)}\\\\{escape('[' + limit)}}}" if bracket else escape(dataset)


def _line(line: Line, columns: slice) -> str:
    cells = (_cell(cell) for cell in line.cells[columns])
    return " & ".join([escape(line.method), escape(line.preset), *cells]) + " \\\\"


def _cell(cell: Cell) -> str:
    """A score with its status where that is not ok; a missing one is its status alone."""
    status = f"\\textit{{{escape(cell.status)}}}"
    if isnan(cell.mean):
        return "--" if cell.empty else status
    spread = "" if isnan(cell.sd) else f" $\\pm$ {cell.sd:.3f}"
    text = f"{cell.mean:.3f}".replace("-", "$-$") + spread
    text = {"best": f"\\textbf{{{text}}}", "second": f"\\underline{{{text}}}", "": text}[cell.mark]
    return text if cell.status == "ok" else f"{text} ({status})"


def escape(text: str) -> str:
    """``text`` on one line for text mode; a character that pdflatex may not know becomes its code point."""
    text = " ".join(text.split())
    return "".join(SPECIAL.get(x, x if x.isascii() else f"\\texttt{{U+{ord(x):04X}}}") for x in text)
