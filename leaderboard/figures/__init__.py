"""``figures/``: the main figures as PNG, PDF and SVG, and ``captions.md``; ``figures/more/`` has all others.

The figures are drawn by `stbench.plot`, which is also for notebooks, from the data of a board.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.leaderboard import register

if TYPE_CHECKING:
    from stbench.board.board import Board

    from .drawn import Drawn

MODULES = ("matplotlib", "adjustText")


@register("figures", modules=MODULES, slow=True, figures="main")
def main_figures(board: Board, folder: Path) -> list[Path]:
    """Scores by the headline metric, cost, ceiling, comparisons, maps and ablations."""
    from .of_predictions import map_figures
    from .of_runs import ablation_figures
    from .of_scores import headline_figures

    return _write(chain(*(make(board) for make in (headline_figures, map_figures, ablation_figures))), folder)


@register("more_figures", modules=MODULES, slow=True, figures="all")
def more_figures(board: Board, folder: Path) -> list[Path]:
    """The other metrics, UMAP and gene distances of predictions, scores by genes."""
    from .of_predictions import prediction_figures
    from .of_scores import metric_figures

    figures = chain(metric_figures(board), prediction_figures(board))
    return _write(figures, folder / "figures", "more")


def _write(figures: Iterator[Drawn], folder: Path, name: str = "figures") -> list[Path]:
    from .files import write_figures

    return write_figures(list(figures), folder / name)
