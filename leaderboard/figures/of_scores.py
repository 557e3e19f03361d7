"""Figures from scores alone: boxes, heat maps, cost, ceiling, ranks, win rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stbench.board.board import SHARES, Board
from stbench.board.columns import ROW
from stbench.board.comparisons import name_pairs, over_datasets, win_table
from stbench.plot import box_plot, ceiling_plot, cost_plot, rank_diagram, score_heatmap

from .drawn import Drawn, file_name, grid, limits, named, of_metric, row_names, short, with_direction

MAX_PANELS = 12  # of datasets

Best = Literal["high", "low", "level"]
Panels = dict[str, dict[str, np.ndarray]]  # scores of the genes by panel and method


def headline_figures(board: Board) -> Iterator[Drawn]:
    """Boxes and heat map of the headline metric, its mean against cost, the ceilings, ranks and win rates."""
    if row_names(board):
        yield from _boxes(board, board.headline)
        yield from _heatmap(board, board.headline)
        yield from _cost(board)
        yield from _ceiling(board)
        yield from _comparisons(board)


def metric_figures(board: Board) -> Iterator[Drawn]:
    """Boxes and heat map of every other metric."""
    for metric in board.metric_order if row_names(board) else ():
        if metric != board.headline:
            yield from _boxes(board, metric)
            yield from _heatmap(board, metric)


def _boxes(board: Board, metric: str) -> Iterator[Drawn]:
    """All genes in one box per method; for the headline metric also a panel per dataset."""
    scores = of_metric(board, board.gene_scores, metric)
    if scores["value"].isna().all():
        return
    columns = sorted(scores["column"].unique())
    caption = (
        f"{with_direction(board, metric)} of every test gene, best rank on top. Box: quartiles and median; "
        "whiskers: the last gene within 1.5 box lengths; n: genes scored, each averaged over seeds first."
    ) + limits(board)
    pooled = f"{len(columns)} datasets pooled" if len(columns) > 1 else short(columns[0])
    yield Drawn(file_name("boxes", metric), caption, _panels, _values(board, metric, {pooled: scores}))
    if metric == board.headline and 1 < len(columns) <= MAX_PANELS:
        parts = {column: scores[scores["column"] == column] for column in columns}
        yield Drawn(file_name("boxes", metric, "by_dataset"), caption, _panels, _values(board, metric, parts))


def _values(board: Board, metric: str, panels: dict[str, pd.DataFrame]) -> tuple[Panels, int, str]:
    """The arguments of `_panels`: the scores of the genes by panel and method, best rank first."""
    order = row_names(board)
    found = {}
    for title, table in panels.items():
        values = {
            name: part.to_numpy() for name, part in table.dropna(subset="value").groupby("name")["value"]
        }
        found[short(title)] = {name: values[name] for name in order if name in values}
    return found, len(order), with_direction(board, metric)


def _panels(panels: Panels, n_rows: int, xlabel: str) -> Figure:
    """Box plots side by side, by title."""
    width = 4.5 if len(panels) == 1 else 2.9
    figure, axes = grid(len(panels), width=width, height=0.155 * n_rows + 0.8)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        box_plot(values, ax, xlabel=xlabel)
        ax.set_title(title)
    return figure


def _heatmap(board: Board, metric: str) -> Iterator[Drawn]:
    summary = of_metric(board, board.summary(), metric)
    table = summary[summary["status"] == "ok"].pivot(index="name", columns="column", values="mean")
    expected = set(summary["name"])  # methods without intervals have no row for metrics that need them
    order = [name for name in row_names(board) if name in expected]
    table = table.reindex(index=order, columns=sorted(summary["column"].unique()))
    if not table.notna().any(axis=None):
        return
    table.columns = [short(column) for column in table.columns]
    label = with_direction(board, metric)
    yield Drawn(
        file_name("heatmap", metric),
        f"Mean {with_direction(board, metric)} over the test genes, methods x datasets, best rank on top. "
        "Every dataset has a colour scale of its own, from its lowest to its highest. A cross marks a cell "
        "without a complete result (failed, unsupported or not run)." + limits(board),
        _score_table,
        (table, label, board.metrics[metric].best),
    )


def _score_table(table: pd.DataFrame, label: str, best: Best) -> Figure:
    """A heat map with a colour scale per column; ``best`` as in `score_heatmap`."""
    figure, ax = _cells(table, 0.75, 0.22)
    score_heatmap(table, ax, best=best, by_column=True)
    bar = figure.colorbar(ax.images[0], ax=ax, shrink=0.6, label=label)
    bar.set_ticks([0, 1], labels=["lowest", "highest"])
    return figure


def _win_table(table: pd.DataFrame) -> Figure:
    """A heat map of win rates."""
    figure, ax = _cells(table, 0.34, 0.24)
    score_heatmap(table, ax)
    figure.colorbar(ax.images[0], ax=ax, shrink=0.6, label="share of genes won")
    return figure


def _cells(table: pd.DataFrame, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure for cells of ``width`` x ``height`` inches, and its axes."""
    names = 0.07 * max(0, max(map(len, table.index)) - 12)  # more room for longer ones
    size = 1.6 + names + width * table.shape[1], 1.2 + height * len(table)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()


def _cost(board: Board) -> Iterator[Drawn]:
    ranks = board.ranks()
    ranks = ranks[(ranks["kind"] != "control") & ranks[board.headline].notna()]
    runs = board.runs[board.runs["status"] == "ok"].dropna(subset=["predict_s", "peak_rss_bytes"])
    runs = runs.groupby(ROW)[["predict_s", "peak_rss_bytes"]].median().astype(float)
    table = ranks.assign(name=board.names_of(ranks), score=ranks[board.headline]).merge(runs, on=ROW)
    if table.empty:  # an imported table has no costs
        return
    ylabel = f"Mean {board.headline} over {len(board.columns)} datasets"
    yield Drawn(
        "cost",
        f"Mean {board.headline} against the seconds of the method itself, without the start and the reading "
        "of a run, and against its peak memory (median over the runs that are ok). The line is the Pareto "
        f"front: no other method is better at no more cost. n = {len(table)} methods that are ok on all "
        f"{len(board.columns)} datasets." + limits(board),
        _draw_cost,
        (table[["name", "score", "predict_s", "peak_rss_bytes"]], ylabel),
    )


def _draw_cost(table: pd.DataFrame, ylabel: str) -> Figure:
    figure = Figure(figsize=(9, 4))
    places = {"left": 0.07, "right": 0.99, "bottom": 0.12, "top": 0.97, "wspace": 0.2}
    left, right = figure.subplots(1, 2, gridspec_kw=places)
    seconds, memory = table.assign(cost=table["predict_s"]), table.assign(cost=table["peak_rss_bytes"] / 1e9)
    cost_plot(seconds, left, xlabel="Median seconds of the method", ylabel=ylabel)
    cost_plot(memory, right, xlabel="Median peak memory per run, GB", ylabel=ylabel)
    return figure


def _ceiling(board: Board) -> Iterator[Drawn]:
    summary = board.summary().dropna(subset="mean")
    controls = summary[(summary["metric"] == board.headline) & summary["method"].isin(SHARES.values())]
    controls = named(board, controls[controls["kind"] == "control"])
    bounds = controls.pivot(index="column", columns="method", values="mean")
    bounds = bounds.reindex(columns=[name for name in SHARES.values() if name in bounds])
    means = of_metric(board, summary, board.headline).pivot(index="name", columns="column", values="mean")
    means = means.reindex(index=[name for name in row_names(board) if name in means.index])
    if bounds.empty or means.empty:
        return
    ylabel = f"Mean {with_direction(board, board.headline)}"
    n_genes = controls["n_genes"].astype(int)
    yield Drawn(
        "ceiling",
        f"Mean {board.headline} of every method under the ceiling, the correlation that the noise of the "
        "counts allows even for the true rates (split halves, Spearman-Brown; assumes Poisson sampling). "
        "Intensities have no ceiling. Oracle: a regression from the visible maps, trained on the truth of "
        "half of the tissue and scored on the other half. "
        f"n = {n_genes.min()} to {n_genes.max()} test genes per dataset." + limits(board),
        _draw_ceiling,
        (means, bounds, ylabel),
    )


def _draw_ceiling(means: pd.DataFrame, bounds: pd.DataFrame, ylabel: str) -> Figure:
    figure = Figure(figsize=(max(5.0, 1.3 + 1.1 * means.shape[1]), 4), layout="constrained")
    ax = figure.subplots()
    ceiling_plot(means, bounds, ax, ylabel=ylabel)
    ax.set_xticklabels([short(text.get_text()) for text in ax.get_xticklabels()])
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _comparisons(board: Board) -> Iterator[Drawn]:
    """The critical-difference diagram of the ranks over datasets, and the win rates."""
    test = over_datasets(board)
    if test is not None:
        names = [board.names[row] for row in test.mean_ranks.index]
        p_values = test.nemenyi.set_axis(names).set_axis(names, axis=1)
        yield Drawn(
            "critical_difference",
            f"Mean rank by mean {board.headline} (1 is best), n = {test.n_datasets} datasets, {len(names)} "
            "methods that are ok on all. Bars join methods that do not differ by Nemenyi's test at 5 % "
            f"(critical difference {test.critical_difference:.2f}); Friedman p = {test.p_value:.2g}."
            + limits(board),
            _draw_ranks,
            (test.mean_ranks.set_axis(names), p_values, test.critical_difference),
        )
    wins = name_pairs(board, win_table(board))
    order = row_names(board) if len(wins) else []
    table = wins.pivot(index="first", columns="second", values="win_rate").reindex(index=order, columns=order)
    if len(order) > 1:
        yield Drawn(
            "win_rates",
            "How often the row beats the column: share of the test genes with the better "
            f"{board.headline}; a tie is half a win; mean over the datasets where both are ok."
            + limits(board),
            _win_table,
            (table,),
        )


def _draw_ranks(mean_ranks: pd.Series, p_values: pd.DataFrame, difference: float) -> Figure:
    figure = Figure(figsize=(7, 1.1 + 0.14 * len(mean_ranks)), layout="constrained")
    rank_diagram(mean_ranks, p_values, figure.subplots(), difference=difference)
    return figure
