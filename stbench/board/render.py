"""Runs the registered renderers over a board."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from stbench.board.board import Board
from stbench.errors import StbenchError
from stbench.renderer import FIGURES, REGISTRY, Figures

log = logging.getLogger(__name__)


def render(
    board: Board,
    folder: Path,
    names: Sequence[str] = (),
    *,
    slow: bool = False,
    figures: Figures = "main",
) -> list[Path]:
    """The files that the renderers wrote into ``folder``: page and tables first, figures last.

    Without ``names``, all renderers run: the slow ones only with ``slow``, and those of figures as far as
    ``figures`` wants them. Those whose package is missing are left out with a warning. Raises `StbenchError`
    for an unknown name, for a renderer that cannot be imported, and for a named renderer whose package is
    missing.
    """
    known = REGISTRY.items()
    if REGISTRY.broken and not names:
        name, reason = next(iter(REGISTRY.broken.items()))
        raise StbenchError(f"The renderer '{name}' is broken: {reason}")
    wanted = FIGURES.index(figures)
    chosen = [REGISTRY.get(name) for name in names] or [
        r for r in known.values() if (slow or not r.slow) and FIGURES.index(r.figures) <= wanted
    ]
    paths = []
    for renderer in sorted(chosen, key=lambda r: FIGURES.index(r.figures)):
        if not renderer.missing:
            paths += renderer(board, folder)
            continue
        needs = f"'{renderer.name}' needs {' and '.join(renderer.missing)}."
        message = f'{needs} Install: pip install "stbench[leaderboard]"'
        if names:
            raise StbenchError(message)
        log.warning("Left out: %s", message)
    return paths
