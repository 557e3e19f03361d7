"""Figures from predictions and truths: maps, UMAP, gene distances, scores along properties of genes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stbench.board.archive import Archive, Column, row_of
from stbench.board.board import Board
from stbench.board.columns import COLUMN, column_name
from stbench.plot import (
    clustering_order,
    distance_heatmap,
    embed,
    embedding_plot,
    gene_distances,
    score_trend,
    spatial_map,
    styles,
)
from stbench.runs.manifest import OK

from .drawn import Drawn, file_name, limits, of_metric, row_names, short, with_direction

N_METHODS = 6  # the best ranked ones
MAX_SPOTS = 150  # of a UMAP
QUANTILES = (0.9, 0.5, 0.1)  # of the mean score of a gene over the methods

Tables = dict[str, pd.DataFrame]  # spots x genes, by name of the method


def map_figures(board: Board) -> Iterator[Drawn]:
    """The maps of some genes per dataset, truth and predictions."""
    for archive, column, truth, predictions in _of_columns(board):
        coordinates = archive.truth(column).obsm.get("spatial")
        if coordinates is not None:
            yield _maps(board, column, truth, predictions, np.asarray(coordinates))


def prediction_figures(board: Board) -> Iterator[Drawn]:
    """UMAP and gene distances per dataset, and the scores along expression and sparsity."""
    for _, column, truth, predictions in _of_columns(board):
        if truth.shape[1] > 2:
            yield _umap(column, truth, predictions)
            yield _distances(column, truth, predictions)
    if board.archive is not None and row_names(board):
        yield from _trends(board, board.archive)


def _of_columns(board: Board) -> Iterator[tuple[Archive, Column, pd.DataFrame, Tables]]:
    """Archive, column, truth and predictions, for every column with predictions."""
    if board.archive is not None and row_names(board):
        for column in board.columns:
            truth, predictions = _values(board, board.archive, column)
            if predictions:
                yield board.archive, column, truth, predictions


def _values(board: Board, archive: Archive, column: Column) -> tuple[pd.DataFrame, Tables]:
    """The truth, spots x genes, and the predictions of the best methods for the same genes, by name."""
    ok = {row_of(manifest) for manifest in archive.of(column) if manifest["status"] == OK}
    rows = {board.names[row]: row for row in ok}
    chosen = [name for name in row_names(board) if name in rows][:N_METHODS]
    if not chosen:
        return pd.DataFrame(), {}
    tables = archive.predictions(column, rows=[rows[name] for name in chosen])
    by_name = {name: tables[rows[name]] for name in chosen}
    genes = [gene for gene in by_name[chosen[0]] if all(gene in table for table in by_name.values())]
    truth = archive.truth(column)[:, genes].to_df()
    truth = truth.loc[:, truth.std() > 0]
    return truth, {name: table[truth.columns] for name, table in by_name.items()}


def _maps(
    board: Board, column: Column, truth: pd.DataFrame, predictions: Tables, coordinates: np.ndarray
) -> Drawn:
    scores = of_metric(board, board.gene_scores, board.headline)
    scores = scores[(scores[COLUMN] == column).all(axis=1) & scores["gene"].isin(truth.columns)]
    by_gene = scores.groupby("gene")["value"].mean().sort_values()
    value = scores.set_index(["gene", "name"])["value"]
    genes = list(dict.fromkeys(by_gene.index[round(q * (len(by_gene) - 1))] for q in QUANTILES))

    panels = []
    for gene in genes:
        own = [
            (name, value.get((gene, name), np.nan), table[gene].to_numpy())
            for name, table in predictions.items()
        ]
        panels.append((gene, truth[gene].to_numpy(), own))
    return Drawn(
        file_name("maps", *column),
        f"{column_name(*column)}: truth and the {len(predictions)} best ranked methods, n = {len(truth)} "
        f"spots. Test genes at the 90, 50 and 10 % quantile of the mean {board.headline} over the methods; "
        f"in brackets the {board.headline} of the map. Colour: log-normalised expression as z-score, one "
        "scale for all.",
        _draw_maps,
        (coordinates, panels),
    )


def _draw_maps(
    coordinates: np.ndarray, panels: list[tuple[str, np.ndarray, list[tuple[str, float, np.ndarray]]]]
) -> Figure:
    """A row per gene: its name, its true map, and name, score and map of each method."""
    aspect = np.ptp(coordinates[:, 0]) / max(np.ptp(coordinates[:, 1]), 1e-9)
    size = 1.6
    n_columns = 1 + len(panels[0][2])
    height = size / np.clip(aspect, 0.4, 2.5) + 0.3
    figure = Figure(figsize=(size * n_columns + 0.6, height * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), n_columns, squeeze=False)
    for row, (gene, truth, maps) in zip(axes, panels, strict=True):
        spatial_map(coordinates, truth, row[0], title=f"{gene}, truth")
        for ax, (name, score, values) in zip(row[1:], maps, strict=True):
            spatial_map(coordinates, values, ax, title=f"{name} ({score:.2f})")
    figure.colorbar(axes[0, 0].collections[0], ax=axes, shrink=0.5, label="z-score of the gene")
    return figure


def _umap(column: Column, truth: pd.DataFrame, predictions: Tables) -> Drawn:
    n_spots = min(len(truth), MAX_SPOTS)
    return Drawn(
        file_name("umap", *column),
        f"{column_name(*column)}: one UMAP of the truth (grey) and the predictions of {truth.shape[1]} test "
        f"genes at n = {n_spots} spots, z-scored per gene and source; axes have no unit. Good predictions "
        "overlap with the grey.",
        _draw_umap,
        (short(column_name(*column)), truth, predictions),
    )


def _draw_umap(title: str, truth: pd.DataFrame, predictions: Tables) -> Figure:
    table = embed(truth, predictions, max_spots=MAX_SPOTS)
    looks = styles(predictions)
    figure = Figure(figsize=(1.9 * len(predictions), 2.1), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(predictions), squeeze=False)[0], predictions, strict=True):
        embedding_plot(table, name, ax, colour=looks[name].colour)
    figure.suptitle(f"{title}: truth in grey", fontsize=8.5)
    return figure


def _distances(column: Column, truth: pd.DataFrame, predictions: Tables) -> Drawn:
    return Drawn(
        file_name("distances", *column),
        f"{column_name(*column)}: distance (1 - Pearson correlation over {len(truth)} spots) between "
        f"n = {truth.shape[1]} test genes, all in the order of average linkage of the truth; in brackets the "
        "mean absolute difference from the truth.",
        _draw_distances,
        (truth, predictions),
    )


def _draw_distances(truth: pd.DataFrame, predictions: Tables) -> Figure:
    true = gene_distances(truth)
    order = clustering_order(true)
    upper = np.triu_indices(len(order), 1)
    figure = Figure(figsize=(1.7 * (1 + len(predictions)) + 0.5, 2.1), layout="constrained")
    axes = figure.subplots(1, 1 + len(predictions))
    distance_heatmap(true, order, axes[0], title="truth")
    for ax, (name, table) in zip(axes[1:], predictions.items(), strict=True):
        distance = gene_distances(table)
        error = np.abs(distance.to_numpy() - true.to_numpy())[upper].mean()
        distance_heatmap(distance, order, ax, title=f"{name} ({error:.2f})")
    figure.colorbar(axes[0].images[0], ax=axes, shrink=0.7, label="1 - PCC")
    return figure


def _trends(board: Board, archive: Archive) -> Iterator[Drawn]:
    properties = []
    for dataset, limit in board.columns:
        truth = archive.truth((dataset, limit)).to_df()
        own = pd.DataFrame({"expression": truth.mean(), "zeros": (truth == 0).mean()}).rename_axis("gene")
        properties.append(own.reset_index().assign(dataset=dataset, limit=limit))
    table = of_metric(board, board.gene_scores, board.headline)
    table = table.merge(pd.concat(properties), on=[*COLUMN, "gene"])
    table["gene"] = table["column"] + " " + table["gene"]
    table = table[table["name"].isin(row_names(board)[:N_METHODS])]
    if table["value"].notna().sum() < 20:  # too few genes to group
        return
    yield Drawn(
        "genes",
        f"{board.headline} of a test gene against its mean expression and its sparsity in the spatial truth, "
        f"n = {table['gene'].nunique()} genes of {len(board.columns)} datasets. Grey: a gene, mean over the "
        f"{table['name'].nunique()} best ranked methods; lines: means over fifths of the genes."
        + limits(board),
        _draw_trends,
        (table[["name", "gene", "expression", "zeros", "value"]], with_direction(board, board.headline)),
    )


def _draw_trends(table: pd.DataFrame, ylabel: str) -> Figure:
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    xlabel = "Mean log-normalised expression of the gene"
    score_trend(table.assign(x=table["expression"]), axes[0], xlabel=xlabel, ylabel=ylabel)
    xlabel = "Share of spots without the gene"
    score_trend(table.assign(x=table["zeros"]), axes[1], xlabel=xlabel, ylabel=ylabel)
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
