"""Writes the tables and figures of `docs/board.md` and `README.md` from `docs/board_scores.parquet`.

Run after new results were merged into the scores: python tools/published_board.py
"""

from __future__ import annotations

import re
import shutil
import tempfile
from math import isnan
from pathlib import Path

from stbench.board.board import SHARES, Board
from stbench.board.columns import ROW, preset_text
from stbench.board.comparisons import overall
from stbench.board.pipes import escape, pipe_table
from stbench.board.render import render
from stbench.board.scoretable import common_cells, read_scores
from stbench.board.words import in_words

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SCORES = DOCS / "board_scores.parquet"
COMMON = "common"
FIGURES = ("critical_difference", "ceiling", "cost")
START, END = "<!-- {}: made by tools/published_board.py -->", "<!-- end -->"


def main() -> None:
    """Write the tables of both pages, and the figures."""
    board = read_scores(SCORES)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        render(board, out, ("figures",))
        write_pages(board, out)
        for page, texts in ((DOCS / "board.md", tables(out)), (ROOT / "README.md", summary(board))):
            page.write_text(filled(page.read_text(encoding="utf-8"), texts), encoding="utf-8")
        for name in FIGURES:
            shutil.copyfile(out / "figures" / f"{name}.png", DOCS / "images" / f"board_{name}.png")


def write_pages(board: Board, folder: Path) -> None:
    """Markdown of the board, and in a folder of its own that of the rotations that every method has."""
    common = folder / COMMON
    common.mkdir()
    render(board, folder, ("markdown",))
    render(common_cells(board), common, ("markdown",))


def tables(folder: Path) -> dict[str, str]:
    """The tables of the page by name, from the pages of the markdown renderer."""
    return {
        "ranks": part(folder / "leaderboard.md", "## Ranks"),
        "pcc": part(folder / "table1.md", "## pcc"),
        "ranks of all": part(folder / COMMON / "leaderboard.md", "## Ranks"),
    }


def summary(board: Board) -> dict[str, str]:
    """The table of the README: what leads by how much, and the rows that have no rank."""
    ranks = board.ranks().set_index(ROW).join(overall(board)[["mean", "low", "high", "group"]])
    head = ["method", "preset", f"mean {board.headline}", "95 % interval", "group", "AS"]
    rows = []
    for row, found in ranks[ranks.index.get_level_values("kind") != "control"].iterrows():
        shown = ["–"] * 4 if isnan(found["mean"]) else [
            f"{found['mean']:.3f}", f"{found['low']:.3f} to {found['high']:.3f}",
            f"{found['group']:.0f}", f"{found['AS']:.3f}",
        ]  # fmt: skip
        shares = ["–" if isnan(found[name]) else f"{found[name]:.2f}" for name in SHARES]
        rows.append([escape(row[0]), escape(preset_text(row[2])), *shown, *shares, escape(found["reason"])])
    head += ["of the ceiling", "of the oracle", "why not ranked"]
    return {"summary": "\n".join([" ".join(in_words(board)), "", *pipe_table(head, rows)]).strip()}


def part(file: Path, heading: str) -> str:
    """What follows the line of a page that starts with ``heading``, up to the next heading."""
    page = file.read_text(encoding="utf-8")
    rest = page[page.index(f"\n{heading}") + 1 :].split("\n", 1)[1]
    return rest.split("\n## ")[0].strip("\n")


def filled(page: str, texts: dict[str, str]) -> str:
    """The page with new text between its marks."""
    for name, text in texts.items():
        start = START.format(name)
        pattern = re.escape(start) + r"\n.*?" + re.escape(END)
        page, n = re.subn(pattern, lambda _: f"{start}\n\n{text}\n\n{END}", page, flags=re.DOTALL)  # noqa: B023
        if n != 1:
            raise SystemExit(f"The page has no marks of the table '{name}'.")
    return page


if __name__ == "__main__":
    main()
