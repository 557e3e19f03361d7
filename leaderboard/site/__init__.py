"""``index.html``: the whole board as one page that works from disk and makes no network request.

``content.py`` gathers the numbers, ``details.py`` the cards of methods and datasets and where every number
comes from, ``maps.py`` the gene browser; ``page.html``, ``page.css`` and ``page.js`` show them. Tables are
DataTables (from itables), plots are plotly; both are written into the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.leaderboard import register

if TYPE_CHECKING:
    from stbench.board.board import Board


@register("site", modules=("plotly", "itables", "jinja2"), slow=True)
def site(board: Board, folder: Path) -> list[Path]:
    """The path of ``index.html``."""
    from .page import page

    file = folder / "index.html"
    file.write_text(page(board), encoding="utf-8")
    return [file]
