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
QUANTILES = (0.9, 0.5, 0.1)  # of the mean score of a gene over the methods

Tables = dict[str, pd.DataFrame]  # spots x genes, by name of the method


def prediction_figures(board: Board) -> Iterator[Drawn]:
    """Maps, UMAP and gene distances per dataset, and the scores along expression and sparsity."""
    if board.archive is None or not row_names(board):
        return
    for column in board.columns:
        truth, predictions = _values(board, board.archive, column)
        if predictions:
            coordinates = board.archive.truth(column).obsm.get("spatial")
            if coordinates is not None:
                yield _maps(board, column, truth, predictions, np.asarray(coordinates))
            if truth.shape[1] > 2:
                yield _umap(column, truth, predictions)
                yield _distances(column, truth, predictions)
    yield from _trends(board, board.archive)


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

    aspect = np.ptp(coordinates[:, 0]) / max(np.ptp(coordinates[:, 1]), 1e-9)
    size = 1.6
    n_columns = 1 + len(predictions)
    height = size / np.clip(aspect, 0.4, 2.5) + 0.3
    figure = Figure(figsize=(size * n_columns + 0.6, height * len(genes)), layout="constrained")
    axes = figure.subplots(len(genes), n_columns, squeeze=False)
    for row, gene in zip(axes, genes, strict=True):
        spatial_map(coordinates, truth[gene].to_numpy(), row[0], title=f"{gene}, truth")
        for ax, (name, table) in zip(row[1:], predictions.items(), strict=True):
            score = value.get((gene, name), np.nan)
            spatial_map(coordinates, table[gene].to_numpy(), ax, title=f"{name} ({score:.2f})")
    figure.colorbar(axes[0, 0].collections[0], ax=axes, shrink=0.5, label="z-score of the gene")
    return Drawn(
        file_name("maps", *column),
        figure,
        f"{column_name(*column)}: truth and the {len(predictions)} best ranked methods, n = {len(truth)} "
        f"spots. Test genes at the 90, 50 and 10 % quantile of the mean {board.headline} over the methods; "
        f"in brackets the {board.headline} of the map. Colour: log-normalised expression as z-score, one "
        "scale for all.",
    )


def _umap(column: Column, truth: pd.DataFrame, predictions: Tables) -> Drawn:
    table = embed(truth, predictions)
    n_spots = len(table) // (1 + len(predictions))
    looks = styles(predictions)
    figure = Figure(figsize=(1.9 * len(predictions), 2.1), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(predictions), squeeze=False)[0], predictions, strict=True):
        embedding_plot(table, name, ax, colour=looks[name].colour)
    figure.suptitle(f"{short(column_name(*column))}: truth in grey", fontsize=8.5)
    return Drawn(
        file_name("umap", *column),
        figure,
        f"{column_name(*column)}: one UMAP of the truth (grey) and the predictions of {truth.shape[1]} test "
        f"genes at n = {n_spots} spots, z-scored per gene and source; axes have no unit. Good predictions "
        "overlap with the grey.",
    )


def _distances(column: Column, truth: pd.DataFrame, predictions: Tables) -> Drawn:
    true = gene_distances(truth)
    order = clustering_order(true)
    upper = np.triu_indices(len(order), 1)
    figure = Figure(figsize=(1.7 * (1 + len(predictions)) + 0.5, 2.1), layout="constrained")
    axes = figure.subplots(1, 1 + len(predictions))
    image = distance_heatmap(true, order, axes[0], title="truth")
    for ax, (name, table) in zip(axes[1:], predictions.items(), strict=True):
        distance = gene_distances(table)
        error = np.abs(distance.to_numpy() - true.to_numpy())[upper].mean()
        distance_heatmap(distance, order, ax, title=f"{name} ({error:.2f})")
    figure.colorbar(image, ax=axes, shrink=0.7, label="1 - PCC")
    return Drawn(
        file_name("distances", *column),
        figure,
        f"{column_name(*column)}: distance (1 - Pearson correlation over {len(truth)} spots) between "
        f"n = {len(order)} test genes, all in the order of average linkage of the truth; in brackets the "
        "mean absolute difference from the truth.",
    )


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
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes, ylabel = figure.subplots(1, 2, sharey=True), with_direction(board, board.headline)
    xlabel = "Mean log-normalised expression of the gene"
    score_trend(table.assign(x=table["expression"]), axes[0], xlabel=xlabel, ylabel=ylabel)
    xlabel = "Share of spots without the gene"
    score_trend(table.assign(x=table["zeros"]), axes[1], xlabel=xlabel, ylabel=ylabel)
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    yield Drawn(
        "genes",
        figure,
        f"{board.headline} of a test gene against its mean expression and its sparsity in the spatial truth, "
        f"n = {table['gene'].nunique()} genes of {len(board.columns)} datasets. Grey: a gene, mean over the "
        f"{table['name'].nunique()} best ranked methods; lines: means over fifths of the genes."
        + limits(board),
    )
