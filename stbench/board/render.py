"""Runs the registered renderers over a board."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from stbench.board.board import Board
from stbench.errors import StbenchError
from stbench.renderer import REGISTRY, Renderer

log = logging.getLogger(__name__)


def render(board: Board, folder: Path, names: Sequence[str] = (), *, slow: bool = False) -> list[Path]:
    """The files that the renderers wrote into ``folder``, in the order of the renderers' names.

    A renderer whose package is missing is left out with a warning, unless it is named.

    Parameters
    ----------
    board, folder
        What is shown, and where the files go.
    names
        Only these renderers. Default: all, the slow ones only with ``slow``.
    slow
        Whether renderers that take long are run.

    Raises
    ------
    StbenchError
        For an unknown name, a renderer that cannot be imported, and a named one whose package is missing.
    """
    known = REGISTRY.items()
    if REGISTRY.broken and not names:
        name, reason = next(iter(REGISTRY.broken.items()))
        raise StbenchError(f"The renderer '{name}' is broken: {reason}")
    chosen = [REGISTRY.get(name) for name in names] or [r for r in known.values() if slow or not r.slow]
    paths = []
    for renderer in chosen:
        if not renderer.missing:
            paths += renderer(board, folder)
        elif names:
            raise StbenchError(_lacks(renderer))
        else:
            log.warning("Left out: %s", _lacks(renderer))
    return paths


def _lacks(renderer: Renderer) -> str:
    """What a renderer needs, and how to get it."""
    needs = " and ".join(renderer.missing)
    return f"'{renderer.name}' needs {needs}. Install: pip install \"stbench[leaderboard]\""
