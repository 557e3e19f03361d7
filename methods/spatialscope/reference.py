"""What is learned from: the cells on the gene axis of the network, and their types."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from anndata import AnnData
from scipy import sparse
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA
from sklearn.neighbors import kneighbors_graph

from stbench.methods import Task, dense

N_COMPONENTS, N_NEIGHBORS = 50, 15  # scanpy
LEIDEN_RESOLUTION = 0.5  # the authors of stDiff, who ran SpatialScope on unlabelled references
MIN_VARIABLE = 200  # fewer highly variable genes than this are too few to cluster on


@dataclass(frozen=True)
class Cells:
    """The reference as the network sees it.

    ``genes`` names the gene axis; ``values`` (n_cells, n_genes) are ``log(target_sum * share + 1)``, float32;
    ``types`` (n_cells,) numbers the cell types from 0; ``means`` (n_types, n_genes) are the means of
    ``values`` over the cells of a type, ``linear`` those of ``exp(values) - 1``.
    """

    genes: list[str]
    values: np.ndarray
    types: np.ndarray
    means: np.ndarray
    linear: np.ndarray


def read_cells(task: Task, *, n_genes: int, gene_order: str, target_sum: float | None, seed: int) -> Cells:
    """The cells of ``task`` on its visible genes, targets, and variable genes up to ``n_genes`` in total.

    The parameters are those of `SpatialScope`.
    """
    genes = gene_axis(task, n_genes)
    counts = dense(task.reference, genes, "counts")
    totals = np.asarray(task.reference.layers["counts"].sum(axis=1)).ravel()
    depth = float(np.median(totals[totals > 0])) if target_sum is None else target_sum
    values = np.log1p(counts * (depth / np.maximum(totals, 1))[:, None])
    if gene_order == "clustered":
        order = clustered(values)
        genes, values = [genes[i] for i in order], values[:, order]
    types = cell_types(task.reference, seed)
    means, linear = type_means(values, types), type_means(np.expm1(values), types)
    return Cells(genes, values.astype(np.float32), types, means.astype(np.float32), linear)


def gene_axis(task: Task, n_genes: int) -> list[str]:
    """Visible genes, targets, and the most variable other genes up to ``n_genes``, in reference order."""
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
    """Order of the genes at the leaves of average-linkage clustering of their correlations, (n_genes,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.corrcoef(values, rowvar=False)
    distance = 1 - np.nan_to_num(correlation)  # a constant gene correlates with none
    np.fill_diagonal(distance, 0)
    distance = np.clip((distance + distance.T) / 2, 0, None)
    return leaves_list(linkage(squareform(distance, checks=False), "average"))


def cell_types(reference: AnnData, seed: int) -> np.ndarray:
    """Number of the type of every cell, (n_cells,): ``obs["cell_type"]``, or Leiden without it."""
    if "cell_type" not in reference.obs:
        return leiden(reference, seed)
    return np.unique(reference.obs["cell_type"].astype(str), return_inverse=True)[1]


def leiden(reference: AnnData, seed: int) -> np.ndarray:
    """Leiden clusters of the cells, (n_cells,), on the graph of nearest cells in principal components.

    The steps and numbers are scanpy's, without its UMAP weights of the edges (whose import takes longer than
    all of the rest).
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
        igraph.set_random_number_generator(random)  # as igraph has it
    return np.array(clusters.membership)


def type_means(values: np.ndarray, types: np.ndarray) -> np.ndarray:
    """Mean of the rows of every type, (n_types, n_columns)."""
    member = np.eye(types.max() + 1)[types]
    return member.T @ values / member.sum(axis=0)[:, None]
