"""``index.html``: the whole board as one page that works from disk and makes no network request.

``content.py`` collects the numbers, ``details.py`` the cards of methods and datasets and the provenance of
every run, ``ranking.py`` the columns of the first table, ``maps.py`` the gene browser; ``page.html``,
``page.css`` and the scripts show them: ``common.js`` (numbers, colours), ``scores.js`` (filters, heat map,
scores, the address) and ``page.js`` (the rest). The page includes DataTables (from itables) for tables and
plotly for plots.
"""

from __future__ import annotations

from pathlib import Path

from stbench.board.board import Board
from stbench.leaderboard import register


@register("site", modules=("plotly", "itables", "jinja2"), slow=True)
def site(board: Board, folder: Path) -> list[Path]:
    """Write ``index.html``; returns its path."""
    from .page import page

    file = folder / "index.html"
    file.write_text(page(board), encoding="utf-8")
    return [file]
