"""Ranks over datasets as a critical-difference diagram (Demsar 2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stbench.plot.style import styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rank_diagram(mean_ranks: pd.Series, p_values: pd.DataFrame, ax: Axes) -> Axes:
    """The axes with the methods along their mean ranks; bars join methods that do not differ at 5 %.

    ``mean_ranks`` are by method, 1 is best; ``p_values`` of the pairwise test are methods x methods.
    """
    from scikit_posthocs import critical_difference_diagram

    looks = styles(mean_ranks.index)
    critical_difference_diagram(
        mean_ranks,
        p_values,
        ax=ax,
        color_palette={name: look.colour for name, look in looks.items()},
        label_props={"fontsize": 7},
    )
    return ax
