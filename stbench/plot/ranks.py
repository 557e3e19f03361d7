"""Ranks over datasets as a critical-difference diagram (Demsar 2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stbench.plot.style import INK, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rank_diagram(mean_ranks: pd.Series, p_values: pd.DataFrame, ax: Axes, *, difference: float) -> Axes:
    """The axes with N methods along their mean ranks from 1 to N; bars join those that do not differ at 5 %.

    ``mean_ranks`` are by method, 1 is best; ``p_values`` of the pairwise test are methods x methods.
    ``difference`` is the critical difference of mean ranks: its length is drawn above the scale.
    """
    from scikit_posthocs import critical_difference_diagram

    n = len(mean_ranks)
    looks = styles(mean_ranks.index)
    margin = 0.03 * n
    drawn = critical_difference_diagram(
        mean_ranks,
        p_values,
        ax=ax,
        color_palette={name: look.colour for name, look in looks.items()},
        label_props={"fontsize": 7},
        label_fmt_left="{label} ({rank:.1f})",
        label_fmt_right="({rank:.1f}) {label}",
        text_h_margin=max(mean_ranks.min() - 1, n - mean_ranks.max()) + margin,
        elbow_props={"linewidth": 1},
        marker_props={"marker": ""},
        crossbar_props={"linewidth": 2, "color": INK},
    )
    for label in drawn["labels"]:
        label.set_color(INK)
    for name, rank in mean_ranks.items():
        ax.plot(
            rank, 0, color=looks[str(name)].colour, marker=looks[str(name)].marker, markersize=5, zorder=4
        )
    ax.plot([1, 1 + difference], [2.6, 2.6], color=INK, linewidth=1, marker="|", markersize=5)
    ax.text(
        1 + difference + margin / 2, 2.6, f"critical difference {difference:.2f}", va="center", fontsize=7
    )
    ax.set_xticks(range(1, n + 1))
    ax.spines["top"].set_bounds(1, n)
    ax.set_title("Mean rank, 1 is best", loc="center", fontsize=7)
    return ax
