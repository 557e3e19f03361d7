"""Score against what it costs, with the methods that no other beats in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullLocator

from stbench.plot.style import GREY, INK, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pareto_front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """True for every entry that no other one beats in cost or score and equals in the other, (n,).

    Parameters
    ----------
    cost
        Lower is better, (n,).
    score
        Higher is better, (n,).
    """
    cost, score = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    no_worse = (cost[:, None] <= cost) & (score[:, None] >= score)  # entry i is no worse than entry j
    better = (cost[:, None] < cost) | (score[:, None] > score)
    return np.logical_not((no_worse & better).any(axis=0))


def cost_plot(table: pd.DataFrame, ax: Axes, *, xlabel: str, ylabel: str) -> Axes:
    """The axes with a marker per method, cost on a log scale, and the Pareto front as a step line.

    Names are moved until none covers another or a marker: call it when the figure has its final size.

    Parameters
    ----------
    table
        Columns ``name``, ``cost`` (lower is better) and ``score`` (higher is better).
    ax
        Where to draw.
    xlabel, ylabel
        What cost and score are, with units.
    """
    from adjustText import adjust_text

    front = table[pareto_front(table["cost"].to_numpy(), table["score"].to_numpy())].sort_values("cost")
    ax.step(front["cost"], front["score"], where="post", color=GREY, linewidth=1, zorder=1)
    looks = styles(table["name"])
    on_front = set(front["name"])
    names, dots = [], []
    for row in table.itertuples(index=False):
        look = looks[row.name]
        dots += ax.plot(row.cost, row.score, color=look.colour, marker=look.marker, markersize=5.5, zorder=2)
        colour = INK if row.name in on_front else GREY
        names.append(ax.text(row.cost, row.score, row.name, fontsize=6.5, color=colour))
    ax.set_xscale("log")
    ax.margins(x=0.2)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(f"{xlabel} (lower is better)")
    ax.set_ylabel(f"{ylabel} (higher is better)")
    adjust_text(
        names,
        objects=dots,
        ax=ax,
        iter_lim=200,  # not the default of seconds: the same figure on every machine
        expand=(1.5, 2.2),
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.4},
    )
    return ax
