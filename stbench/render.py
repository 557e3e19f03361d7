"""Runs every registered renderer over a board."""

from __future__ import annotations

from pathlib import Path

from stbench.board import Board
from stbench.errors import StbenchError
from stbench.leaderboard import REGISTRY


def render(board: Board, folder: Path) -> list[Path]:
    """The files that all renderers wrote into ``folder``, in the order of the renderers' names."""
    if REGISTRY.items() and REGISTRY.broken:
        name, reason = next(iter(REGISTRY.broken.items()))
        raise StbenchError(f"The renderer '{name}' is broken: {reason}")
    return [path for renderer in REGISTRY.items().values() for path in renderer(board, folder)]
