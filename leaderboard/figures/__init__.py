"""``figures/``: every figure as PNG and PDF, and ``captions.md``.

The figures are drawn by `stbench.plot`, which is also for notebooks, from the data of a board.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.leaderboard import register

if TYPE_CHECKING:
    from stbench.board.board import Board


@register("figures", modules=("matplotlib", "adjustText", "statsmodels"), slow=True)
def figures(board: Board, folder: Path) -> list[Path]:
    """Write the figures, two files each, and ``captions.md``; returns their paths."""
    import matplotlib as mpl

    from stbench.plot import RC

    from .of_predictions import prediction_figures
    from .of_references import reference_figures
    from .of_runs import ablation_figures
    from .of_scores import score_figures

    out = folder / "figures"
    out.mkdir(exist_ok=True)
    paths, captions = [], ["# Figures", ""]
    with mpl.rc_context(RC):
        for make in (score_figures, prediction_figures, ablation_figures, reference_figures):
            for drawn in make(board):
                files = [out / f"{drawn.name}.{suffix}" for suffix in ("png", "pdf")]
                drawn.figure.savefig(files[0])
                drawn.figure.set_layout_engine("none")  # both files have the same layout
                drawn.figure.savefig(files[1], metadata={"CreationDate": None})
                paths += files
                captions += [f"**{drawn.name}**. {drawn.caption}", ""]
    paths.append(out / "captions.md")
    paths[-1].write_text("\n".join(captions), encoding="utf-8")
    return paths
