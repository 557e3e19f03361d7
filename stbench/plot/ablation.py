"""Ablations: runs of one method that differ in one parameter (the CausalGeD paper's Figs. 6-9, Table II)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stbench.plot.style import INK, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Ablation:
    """One parameter and its value in runs that are otherwise equal, by the key of the run."""

    parameter: str
    values: dict[Hashable, Any]


def ablations(parameters: Mapping[Hashable, Mapping[str, Any]]) -> list[Ablation]:
    """Every set of at least two entries that differ in exactly one parameter, sorted by its name.

    ``parameters`` are those of every variant of one method, by any key.
    """
    found: dict[tuple[str, str], dict[Hashable, Any]] = {}
    for key, values in parameters.items():
        for name in values:
            rest = repr(sorted((k, v) for k, v in values.items() if k != name))
            found.setdefault((name, rest), {})[key] = values[name]
    sets = [Ablation(name, values) for (name, _), values in found.items()]
    sets = [one for one in sets if len(set(map(repr, one.values.values()))) > 1]
    return sorted(sets, key=lambda one: (one.parameter, len(one.values)))


def ablation_plot(table: pd.DataFrame, ax: Axes, *, parameter: str, ylabel: str) -> Axes:
    """The axes with the mean score per value of ``parameter``: a thin line per dataset, their mean in black.

    ``table`` has the columns ``dataset``, ``value`` (of the parameter) and ``score``. Values are sorted,
    numbers by size, and equally spaced. The mean is over the datasets that have every value.
    """
    wide = table.pivot(index="value", columns="dataset", values="score")
    numbers = all(isinstance(value, int | float) for value in wide.index)
    wide = wide.sort_index(key=None if numbers else lambda index: index.map(str))
    places = np.arange(len(wide))
    for i, dataset in enumerate(wide.columns):
        colour = PALETTE[i % len(PALETTE)]
        ax.plot(places, wide[dataset], color=colour, marker=".", lw=0.9, alpha=0.8, label=dataset)
    whole = wide.dropna(axis=1)
    if whole.shape[1] > 1:
        ax.plot(places, whole.mean(axis=1), color=INK, marker="o", markersize=4, lw=1.6, label="mean")
    ax.set_xticks(places, [str(value) for value in wide.index])
    ax.margins(x=0.1)
    ax.set(xlabel=parameter, ylabel=ylabel)
    return ax
