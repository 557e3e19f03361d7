"""Spatial maps: the expression of one gene at every spot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stbench.toolbox.scale import zscore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANGE = (-2.0, 3.0)  # z-scores: one colour scale for the truth and every prediction
COLOURS = "viridis"


def spatial_map(coordinates: np.ndarray, values: np.ndarray, ax: Axes, *, title: str = "") -> Axes:
    """The axes with one dot per spot, coloured by the z-score of its value from -2 to 3.

    The correlation and the rmse of this benchmark compare z-scores too. ``coordinates`` are (n_spots, 2 or
    more), the first two are drawn; ``values`` are (n_spots,), on any scale.
    """
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    ax.scatter(
        coordinates[:, 0],
        coordinates[:, 1],
        c=zscore(np.asarray(values, dtype=float)),
        s=max(0.5, 0.55 * width**2 / len(coordinates)),
        cmap=COLOURS,
        vmin=RANGE[0],
        vmax=RANGE[1],
        linewidths=0,
        rasterized=True,
    )
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title, loc="center")
    return ax
