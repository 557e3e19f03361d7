"""The transport problem of novoSpaRc: hop distances, costs, Sinkhorn and the iteration around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.neighbors import kneighbors_graph

from stbench.errors import StbenchError

if TYPE_CHECKING:
    import logging

CHECK_EVERY = 10  # iterations between two looks at the change, inside and outside
MAX_ITERATIONS = 1000  # inside and outside
TOLERANCE = 1e-9  # Euclidean norm, of the error of the marginal and of the change of the coupling
MASS_TOLERANCE = 1e-6


def hop_distances(points: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Hops between ``points`` (n, n_dims) in their graph of nearest neighbours, largest 1, centred, (n, n).

    A point counts as its own neighbour. Two points without a path are as far apart as any with one.
    """
    graph = kneighbors_graph(points, min(n_neighbors, len(points)), include_self=True)
    hops = shortest_path(graph, method="D", directed=False, unweighted=True)
    joined = np.isfinite(hops)
    hops[~joined] = hops[joined].max()
    hops /= hops.max() or 1.0
    return hops - hops.mean()


def linear_cost(cells: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """Euclidean distances of cells and spots on their shared genes, largest 1, (n_cells, n_spots)."""
    cost = cdist(cells / (cells.max() or 1.0), spots / (spots.max() or 1.0))
    return cost / (cost.max() or 1.0)


def couple(
    cost: np.ndarray,
    structure: tuple[np.ndarray, np.ndarray] | None,
    alpha: float,
    eps: float,
    log: logging.Logger,
) -> np.ndarray:
    """Coupling (n_cells, n_spots) with uniform marginals and total mass 1.

    This is step 3 of `NovoSpaRc`. ``structure``, the hop distances of the cells and of the spots, is not
    needed at ``alpha`` = 1. Raises `StbenchError` where the coupling collapses.
    """
    n_cells, n_spots = cost.shape
    p, q = np.full(n_cells, 1 / n_cells), np.full(n_spots, 1 / n_spots)
    if structure is None or alpha == 1:
        return transport(p, q, cost, eps)
    coupling = np.outer(p, q)
    for iteration in range(MAX_ITERATIONS):
        previous = coupling
        mismatch = -(structure[0] @ coupling @ structure[1])
        coupling = transport(p, q, (1 - alpha) * (mismatch - mismatch.min()) + alpha * cost, eps)
        if iteration % CHECK_EVERY == 0 and np.linalg.norm(coupling - previous) <= TOLERANCE:
            break
    else:
        log.warning("the coupling still changes after %d iterations", MAX_ITERATIONS)
    return coupling


def transport(p: np.ndarray, q: np.ndarray, cost: np.ndarray, eps: float) -> np.ndarray:
    """Entropic transport plan of mass 1; in the log domain where the plain iteration runs out of range."""
    plan = sinkhorn(p, q, cost, eps)
    if not has_mass(plan):
        plan = sinkhorn_log(p, q, cost, eps)
    if not has_mass(plan):
        raise StbenchError(f"The coupling collapses at eps = {eps:g}. Set novosparc.eps higher.")
    return plan


def has_mass(plan: np.ndarray) -> bool:
    """Whether the total mass is 1; it is not where the iteration broke down, silently in the original."""
    return bool(abs(plan.sum() - 1) < MASS_TOLERANCE)  # False for NaN


def sinkhorn(p: np.ndarray, q: np.ndarray, cost: np.ndarray, eps: float) -> np.ndarray:
    """Plan with marginals ``p`` and ``q`` by scaling ``exp(-cost / eps)``; NaN where that breaks down."""
    kernel = np.exp(-cost / eps)
    u = np.full(len(p), 1 / len(p))
    v = np.zeros(len(q))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # a breakdown shows in the mass
        for iteration in range(MAX_ITERATIONS):
            column_sums = u @ kernel
            # the sums are those of the iteration before: the marginal costs no product of its own
            if iteration % CHECK_EVERY == 1 and not np.linalg.norm(v * column_sums - q) >= TOLERANCE:
                break
            v = q / column_sums
            u = p / (kernel @ v)
        return u[:, None] * kernel * v


def sinkhorn_log(p: np.ndarray, q: np.ndarray, cost: np.ndarray, eps: float) -> np.ndarray:
    """The plan of `sinkhorn` by its logarithms, which have no limits of range; slower by an order."""
    log_kernel = -cost / eps
    log_p, log_q = np.log(p), np.log(q)
    log_u, log_v = np.zeros(len(p)), np.zeros(len(q))
    for iteration in range(MAX_ITERATIONS):
        log_sums = logsumexp(log_kernel + log_u[:, None], axis=0)
        if iteration % CHECK_EVERY == 1 and np.linalg.norm(np.exp(log_v + log_sums) - q) < TOLERANCE:
            break
        log_v = log_q - log_sums
        log_u = log_p - logsumexp(log_kernel + log_v, axis=1)
    return np.exp(log_kernel + log_u[:, None] + log_v)
