"""Spatial maps: the expression of one gene at every spot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANGE = (-2.0, 3.0)  # z-scores: one colour scale for the truth and every prediction
COLOURS = "viridis"


def z_scores(values: np.ndarray) -> np.ndarray:
    """``values`` less their mean over their sd; zeros where they do not vary.

    The correlation and the rmse of this benchmark compare z-scores, so a map of them shows what is scored;
    a method is free in the scale and the offset of a gene.
    """
    values = np.asarray(values, dtype=float)
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def spatial_map(coordinates: np.ndarray, values: np.ndarray, ax: Axes, *, title: str = "") -> Axes:
    """The axes with one dot per spot, coloured by the z-score of its value from -2 to 3.

    Parameters
    ----------
    coordinates
        (n_spots, 2 or more); the first two are drawn.
    values
        (n_spots,), on any scale.
    ax
        Where to draw.
    title
        Above the map.
    """
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    ax.scatter(
        coordinates[:, 0],
        coordinates[:, 1],
        c=z_scores(values),
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
