"""Score against cost, with the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullLocator

from stbench.plot.style import GREY, INK, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pareto_front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """True for every entry unless another one is better in cost or score and no worse in the other, (n,).

    Lower ``cost`` and higher ``score`` are better, both (n,).
    """
    cost, score = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    no_worse = (cost[:, None] <= cost) & (score[:, None] >= score)  # entry i is no worse than entry j
    better = (cost[:, None] < cost) | (score[:, None] > score)
    return np.logical_not((no_worse & better).any(axis=0))


def cost_plot(table: pd.DataFrame, ax: Axes, *, xlabel: str, ylabel: str) -> Axes:
    """The axes with a marker per method, cost on a log scale, and the Pareto front as a step line.

    ``table`` has the columns ``name``, ``cost`` (lower is better) and ``score`` (higher is better). Names are
    moved until they overlap no other name or marker: call it when the figure has its final size.
    """
    from adjustText import adjust_text

    front = table[pareto_front(table["cost"].to_numpy(), table["score"].to_numpy())].sort_values("cost")
    ax.step(front["cost"], front["score"], where="post", color=GREY, linewidth=1, zorder=1)
    looks = styles(table["name"])
    names, dots = [], []
    for row in table.itertuples(index=False):
        look = looks[row.name]
        dots += ax.plot(row.cost, row.score, color=look.colour, marker=look.marker, markersize=5.5, zorder=2)
        colour = INK if row.name in front["name"].values else GREY
        names.append(ax.text(row.cost, row.score, row.name, fontsize=6.5, color=colour))
    ax.set_xscale("log")
    ax.margins(x=0.2)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel=f"{xlabel} (lower is better)", ylabel=f"{ylabel} (higher is better)")
    adjust_text(
        names,
        objects=dots,
        ax=ax,
        iter_lim=200,  # the default limit is in seconds and differs between machines
        expand=(1.5, 2.2),
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.4},
    )
    return ax
