"""Ablation figures: the effect of one parameter, from runs of a method that differ only in it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from stbench.board.archive import row_of
from stbench.board.board import Board
from stbench.board.columns import ROW, keys_of
from stbench.plot import ablation_plot, ablations

from .drawn import Drawn, file_name, grid, limits, named, short, with_direction


def ablation_figures(board: Board) -> Iterator[Drawn]:
    """A figure per method with runs that differ in one parameter, with a panel per set of such runs."""
    methods: dict[str, dict[Hashable, dict[str, Any]]] = {}
    for manifest in board.manifests:
        methods.setdefault(manifest["method"], {})[row_of(manifest)] = manifest["parameters"]
    summary = board.summary()
    summary = named(board, summary[(summary["metric"] == board.headline) & (summary["status"] == "ok")])
    summary = summary.assign(row=keys_of(summary, ROW))
    for method, parameters in methods.items():
        panels = []
        for one in ablations(parameters):
            table = summary[summary["row"].isin(one.values)]
            if table["row"].nunique() > 1:
                panels.append((one.parameter, table.assign(value=table["row"].map(one.values))))
        if panels:
            yield _figure(board, method, panels)


def _figure(board: Board, method: str, panels: list[tuple[str, pd.DataFrame]]) -> Drawn:
    panels = [
        (parameter, table.assign(dataset=table["column"].map(short), score=table["mean"]))
        for parameter, table in panels
    ]
    n_genes = sorted({n for _, table in panels for n in table["n_genes"]})
    return Drawn(
        file_name("ablation", method),
        f"{method}: mean {board.headline} over the test genes. Every panel shows runs that differ in one "
        "parameter only: a line per dataset, and their mean in black. "
        f"n = {', '.join(map(str, n_genes))} genes per dataset." + limits(board),
        _draw,
        (panels, with_direction(board, board.headline)),
    )


def _draw(panels: list[tuple[str, pd.DataFrame]], ylabel: str) -> Figure:
    figure, axes = grid(len(panels), width=2.8, height=2.5)
    for ax in axes[1:]:
        ax.sharey(axes[0])  # a small effect looks small
    for ax, (parameter, table) in zip(axes, panels, strict=True):
        ablation_plot(table, ax, parameter=parameter, ylabel=ylabel)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
    return figure
