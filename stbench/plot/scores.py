"""Scores as box plots, as a method x dataset table, along a property of genes, and with the ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stbench.metric import Best
from stbench.plot.style import GREY, INK, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


def box_plot(values: Mapping[str, ArrayLike], ax: Axes, *, xlabel: str) -> Axes:
    """The axes with one horizontal box per method, the first on top, with its number of genes.

    The box spans the quartiles, the line is the median, whiskers reach the last gene within 1.5 times the
    box. ``values`` are the scores of the genes by method; NaN (a gene that is constant in the truth) is left
    out and not counted. ``xlabel`` is the metric and its better direction.
    """
    looks = styles(values)
    clean = {name: pd.Series(x, dtype=float).dropna().to_numpy() for name, x in values.items()}
    places = np.arange(len(clean))[::-1]
    boxes = ax.boxplot(
        list(clean.values()),
        positions=places,
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        medianprops={"color": INK, "linewidth": 1.2},
        flierprops={"marker": ".", "markersize": 2, "markeredgecolor": GREY},
        whiskerprops={"linewidth": 0.7},
        capprops={"linewidth": 0.7},
    )
    for name, box in zip(clean, boxes["boxes"], strict=True):
        box.set(facecolor=looks[name].colour, alpha=0.75, linewidth=0.6)
    ax.set_yticks(places, [f"{name} (n = {len(x)})" for name, x in clean.items()])
    ax.set_xlabel(xlabel)
    return ax


def score_heatmap(
    table: pd.DataFrame, ax: Axes, *, best: Best = "high", digits: int = 2, by_column: bool = False
) -> Axes:
    """The axes with a method x dataset table as an image with its numbers; missing cells (NaN) are crossed.

    Bright is good if ``best`` is ``high`` or ``low``. ``digits`` are the decimals in the cells. With
    ``by_column`` every column has a scale of its own, 0 at its lowest and 1 at its highest value: a hard
    dataset shows its differences beside an easy one.
    """
    values = table.to_numpy(dtype=float)
    coloured = _from_0_to_1(values) if by_column else values
    image = ax.imshow(coloured, cmap="cividis_r" if best == "low" else "cividis", aspect="auto")
    middle = np.mean(image.get_clim())
    for (i, j), value in np.ndenumerate(values):
        if np.isnan(value):
            for slope in (0.3, -0.3):
                ax.plot([j - 0.3, j + 0.3], [i - slope, i + slope], color=GREY, linewidth=0.7)
            continue
        bright = (coloured[i, j] > middle) != (best == "low")
        colour = INK if bright else "white"
        ax.text(j, i, f"{value:.{digits}f}", ha="center", va="center", fontsize=6.5, color=colour)
    ax.set_xticks(range(len(table.columns)), table.columns, rotation=30, ha="right")
    ax.set_yticks(range(len(table)), table.index)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def _from_0_to_1(values: np.ndarray) -> np.ndarray:
    """Every column between its lowest value, 0, and its highest, 1; equal values are 0.5."""
    low = np.nanmin(values, axis=0, initial=np.inf)
    span = np.nanmax(values, axis=0, initial=-np.inf) - low
    flat = ~(span > 0)
    scaled: np.ndarray = np.where(flat, 0.5, (values - low) / np.where(flat, 1, span))
    return np.where(np.isnan(values), np.nan, scaled)


def score_trend(table: pd.DataFrame, ax: Axes, *, xlabel: str, ylabel: str, bins: int = 5) -> Axes:
    """The axes with a line per method: its mean score in groups of genes of equal size along ``x``.

    A grey dot is a gene with its mean score over the methods. ``table`` has the columns ``name``, ``gene``
    (unique over datasets), ``x`` (its property) and ``value`` (its score). ``bins`` is the number of groups;
    there are fewer if ``x`` has few values.
    """
    table = table.dropna(subset=["x", "value"])
    looks = styles(table["name"].unique())
    genes = table.groupby("gene")[["x", "value"]].mean()
    ax.scatter(genes["x"], genes["value"], s=4, color=GREY, alpha=0.35, linewidths=0, rasterized=True)
    for name, group in table.groupby("name", sort=False):
        parts = pd.qcut(group["x"], bins, duplicates="drop")
        means = group.groupby(parts, observed=True)[["x", "value"]].mean()
        look = looks[str(name)]
        ax.plot(means["x"], means["value"], color=look.colour, marker=look.marker, ms=4, label=name, lw=1.2)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def ceiling_plot(means: pd.DataFrame, bounds: pd.DataFrame, ax: Axes, *, ylabel: str) -> Axes:
    """The axes with the mean score of every method per dataset, and bars at the bounds of the dataset.

    ``means`` is methods x datasets; ``bounds`` is datasets x at most three controls, NaN where there is none.
    The first of them orders the datasets, and those without it come last.
    """
    bounds = bounds.reindex(means.columns).sort_values(bounds.columns[0], ascending=False, na_position="last")
    looks = styles(means.index)
    shifts = np.linspace(-0.25, 0.25, len(means))
    for line, (control, values) in zip(("solid", "dotted", "dashed"), bounds.items(), strict=False):
        places = np.flatnonzero(values.notna())
        bars = values.iloc[places], places - 0.38, places + 0.38
        ax.hlines(*bars, color=INK, linestyle=line, linewidth=2, zorder=3)
        ax.plot([], [], color=INK, linestyle=line, linewidth=2, label=control)
    for i, dataset in enumerate(bounds.index):
        for shift, (name, value) in zip(shifts, means[dataset].items(), strict=True):
            look = looks[str(name)]
            label = str(name) if i == 0 else None
            ax.scatter(i + shift, value, s=16, color=look.colour, marker=look.marker, label=label, lw=0.5)
    ax.set_xticks(range(len(bounds)), bounds.index, rotation=30, ha="right")
    ax.set_ylabel(ylabel)
    return ax
