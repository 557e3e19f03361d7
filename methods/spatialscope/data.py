"""The cells and the spots of a task on the gene axis of the network, and the types of the cells."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy import sparse
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA
from sklearn.neighbors import kneighbors_graph
from torch import Tensor

from stbench.methods import Task, dense

from .labels import label_cells, shares

if TYPE_CHECKING:
    from . import SpatialScope

N_COMPONENTS, N_NEIGHBORS = 50, 15  # scanpy
LEIDEN_RESOLUTION = 0.5  # the authors of stDiff, who ran SpatialScope on unlabelled references
MIN_VARIABLE = 200  # fewer highly variable genes than this are too few to cluster on


@dataclass(frozen=True)
class Cells:
    """The reference as input of the network."""

    genes: list[str]  # on the gene axis
    values: np.ndarray  # (n_cells, n_genes), log(target_sum * share + 1), float32
    types: np.ndarray  # (n_cells,), numbers of the cell types
    means: np.ndarray  # (n_types, n_genes), of the values over the cells of a type
    linear: np.ndarray  # (n_types, n_genes), the same of exp(values) - 1


def read_cells(task: Task, settings: SpatialScope, seed: int) -> Cells:
    """The cells of ``task`` on its visible genes, targets, and variable genes up to ``n_genes`` in total."""
    genes = gene_axis(task, settings.n_genes)
    counts = dense(task.reference, genes, "counts")
    totals = np.asarray(task.reference.layers["counts"].sum(axis=1)).ravel()
    depth = settings.target_sum or float(np.median(totals[totals > 0]))
    values = np.log1p(counts * (depth / np.maximum(totals, 1))[:, None])
    if settings.gene_order == "clustered":
        order = clustered(values)
        genes, values = [genes[i] for i in order], values[:, order]
    types = cell_types(task.reference, seed)
    means, linear = type_means(values, types), type_means(np.expm1(values), types)
    return Cells(genes, values.astype(np.float32), types, means.astype(np.float32), linear)


def gene_axis(task: Task, n_genes: int) -> list[str]:
    """Visible genes, targets and the most variable other genes up to ``n_genes``, in reference order."""
    reference = task.reference
    panel = reference.var_names.isin([*task.visible, *task.targets])
    chosen = panel.copy()
    if n_genes > panel.sum():
        others = np.flatnonzero(reference.var["highly_variable"].to_numpy(dtype=bool) & ~panel)
        X = sparse.csr_matrix(reference.X[:, others])
        variance = np.asarray(X.multiply(X).mean(axis=0) - np.square(X.mean(axis=0))).ravel()
        chosen[others[np.argsort(-variance, kind="stable")[: n_genes - panel.sum()]]] = True
    return list(reference.var_names[chosen])


def clustered(values: np.ndarray) -> np.ndarray:
    """Order of the genes in average-linkage clustering of their correlations, (n_genes,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.corrcoef(values, rowvar=False)
    distance = 1 - np.nan_to_num(correlation)  # a constant gene correlates with none
    np.fill_diagonal(distance, 0)
    distance = np.clip((distance + distance.T) / 2, 0, None)
    return leaves_list(linkage(squareform(distance, checks=False), "average"))


def cell_types(reference: AnnData, seed: int) -> np.ndarray:
    """Number of the type of every cell, (n_cells,): ``obs["cell_type"]``, or Leiden where a cell has none."""
    if "cell_type" not in reference.obs or reference.obs["cell_type"].isna().any():
        return leiden(reference, seed)
    return np.unique(reference.obs["cell_type"].astype(str), return_inverse=True)[1]


def leiden(reference: AnnData, seed: int) -> np.ndarray:
    """Leiden clusters of the cells, (n_cells,), on the graph of nearest cells in principal components.

    Steps and numbers are those of scanpy, without the UMAP weights of the edges (a slow import).
    """
    import igraph

    variable = reference.var["highly_variable"].to_numpy(dtype=bool)
    genes = variable if variable.sum() >= MIN_VARIABLE else np.ones_like(variable)
    X = dense(reference, reference.var_names[genes])
    n_components = min(N_COMPONENTS, *(size - 1 for size in X.shape))
    components = PCA(n_components, svd_solver="arpack", random_state=seed).fit_transform(X)
    near = kneighbors_graph(components, min(N_NEIGHBORS, len(X) - 1)).tocoo()
    graph = igraph.Graph(len(X), np.column_stack((near.row, near.col))).simplify()
    igraph.set_random_number_generator(random.Random(seed))
    try:
        clusters = graph.community_leiden("modularity", resolution=LEIDEN_RESOLUTION, n_iterations=2)
    finally:
        igraph.set_random_number_generator(random)  # the default of igraph
    return np.array(clusters.membership)


def type_means(values: np.ndarray, types: np.ndarray) -> np.ndarray:
    """Mean of the rows of every type, (n_types, n_columns)."""
    member = np.eye(types.max() + 1)[types]
    return member.T @ values / member.sum(axis=0)[:, None]


@dataclass(frozen=True)
class Spots:
    """The spots of a task on the gene axis of the reference."""

    # linear scale of the reference, without platform factors; the zeros of an empty spot are no constraint
    target: Tensor  # (n_spots, n_visible), visible expression of the mean cell
    seen: Tensor  # (n_visible,), positions of the visible genes
    hidden: Tensor  # (n_targets,), positions of the targets
    types: Tensor  # (n_spots, n_cells), types of the cells
    size: float  # factor to the linear scale of ``task.spatial.X``


def read_spots(task: Task, cells: Cells, settings: SpatialScope, n_cells: int, device: str) -> Spots:
    """The spots of ``task`` with ``n_cells`` cells each, labelled from its visible genes only."""
    axis = pd.Index(cells.genes)
    seen, hidden = axis.get_indexer(task.visible), axis.get_indexer(task.targets)
    counts = dense(task.spatial, task.visible, "counts")
    types, platform = label_cells(
        counts,
        cells.linear[:, seen],
        task.coordinates() if "spatial" in task.spatial.obsm else None,
        n_cells=n_cells,
        nu=settings.nu,
        min_count=settings.min_count,
    )
    reference_sum = float(np.expm1(cells.values[:, seen]).sum(axis=1).mean())
    totals = counts.sum(axis=1)
    spatial_sum = float(np.median(totals[totals > 0])) if totals.any() else 0.0
    target = shares(counts / platform) * reference_sum
    return Spots(
        target=torch.tensor(target, dtype=torch.float32, device=device),
        seen=torch.tensor(seen, device=device),
        hidden=torch.tensor(hidden, device=device),
        types=torch.tensor(types, device=device),
        size=spatial_sum / max(reference_sum, 1e-12),
    )
