"""The transport problem of novoSpaRc: hop distances, costs, and the iteration with Sinkhorn of POT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from sklearn.neighbors import kneighbors_graph

from stbench.errors import StbenchError
from stbench.toolbox.transport import numerical_errors

if TYPE_CHECKING:
    import logging

CHECK_EVERY = 10  # iterations of the package between two checks of the change
MAX_ITERATIONS = 1000
TOLERANCE = 1e-9  # Euclidean norm: error of the marginal of a plan, and change of the coupling
FIRST_TOLERANCE = 1e-4  # of the marginal of the first plan, where the next ones are better anyway
TOLERANCE_SHARE = 0.01  # of the last change: the tolerance of the marginal of the next plan
MASS_TOLERANCE = 1e-6


def hop_distances(points: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Hops between ``points`` (n, n_dims) in their graph of nearest neighbours, largest 1, centred, (n, n).

    A point is its own neighbour. Two points without a path get the largest distance of points with one.
    """
    graph = kneighbors_graph(points, min(n_neighbors, len(points)), include_self=True)
    hops = shortest_path(graph, method="D", directed=False, unweighted=True)
    joined = np.isfinite(hops)
    hops[~joined] = hops[joined].max()
    hops /= hops.max() or 1.0
    return hops - hops.mean()


def linear_cost(cells: np.ndarray, spots: np.ndarray, unit: tuple[float, float] | None = None) -> np.ndarray:
    """Euclidean distances of cells and spots on their shared genes, (n_cells, n_spots).

    ``unit`` divides the values of the spots, and the distances; by default their maxima. The memory order is
    that of Fortran, with which POT checks the marginals three times faster.
    """
    of_spots, of_distances = unit or (spots.max() or 1.0, None)
    cost = cdist(spots / of_spots, cells / (cells.max() or 1.0)).T
    return cost / (of_distances or cost.max() or 1.0)


def mismatch(structure: Sequence[Any], coupling: Any) -> Any:
    """Cost of breaking neighbourhoods, smallest 0, (n_cells, n_spots): ``t`` in step 3 of `NovoSpaRc`."""
    cost = -(structure[1] @ coupling.T @ structure[0]).T  # hop distances are symmetric
    return cost - cost.min()


def couple(
    cost: Any, structure: Sequence[Any], alpha: float, eps: float, log: logging.Logger, *, warm: bool = True
) -> tuple[Any, Any]:
    """Coupling (n_cells, n_spots) with uniform marginals and total mass 1, and the potentials of the cells.

    This is step 3 of `NovoSpaRc`. ``structure`` are the hop distances of the cells and of the spots, which
    ``alpha`` = 1 does not use. All inputs are numpy arrays, or torch tensors on one device. Raises
    `StbenchError` where the coupling collapses.

    Every plan starts from the potentials of the plan before it and is only as exact as the change of the
    coupling asks for, which saves nine of ten updates. Not ``warm``, every plan starts anew and is solved to
    the end, as in the package `novosparc`; both end at the same coupling.

    The loop is our own: ``entropic_fused_gromov_wasserstein`` of POT has the same fixed point, but stops up
    to 1e-7 (relative) from the coupling of the authors and cannot use the log domain.
    """
    import ot

    p, q = (ot.unif(size, type_as=cost) for size in cost.shape)
    if alpha == 1:
        coupling, potentials = transport(p, q, cost, eps)
        return coupling, potentials[0]
    norm = ot.backend.get_backend(cost).norm
    coupling, start = p[:, None] * q, None
    tolerance = FIRST_TOLERANCE if warm else TOLERANCE
    for iteration in range(MAX_ITERATIONS):
        previous = coupling
        mixed = (1 - alpha) * mismatch(structure, coupling) + alpha * cost
        coupling, potentials = transport(p, q, mixed, eps, start, tolerance)
        change = float(norm(coupling - previous))
        if change <= tolerance == TOLERANCE and (warm or iteration % CHECK_EVERY == 0):
            break
        if warm:
            start = potentials
            tolerance = max(TOLERANCE, min(tolerance, TOLERANCE_SHARE * change))
    else:
        log.warning("the coupling still changes after %d iterations", MAX_ITERATIONS)
    return coupling, potentials[0]


def transport(
    p: Any, q: Any, cost: Any, eps: float, start: tuple[Any, Any] | None = None, tolerance: float = TOLERANCE
) -> tuple[Any, tuple[Any, Any]]:
    """Entropic transport plan of mass 1 and its potentials, the logarithms of the scalings of both sides.

    It is solved in the log domain where scaling leaves the floating-point range. ``start`` are the potentials
    to start from.
    """
    import ot

    options = {"warmstart": start, "stopThr": tolerance, "log": True}
    try:
        with numerical_errors():
            plan, found = ot.sinkhorn(p, q, cost, eps, **options)
        potentials = tuple(map(ot.backend.get_backend(cost).log, (found["u"], found["v"])))
    except UserWarning:
        with numerical_errors():
            plan, found = ot.sinkhorn(p, q, cost, eps, method="sinkhorn_log", **options)
        potentials = found["log_u"], found["log_v"]
    if not abs(plan.sum() - 1) < MASS_TOLERANCE:  # also for NaN
        raise StbenchError(f"The coupling collapses at eps = {eps:g}. Set novosparc.eps higher.")
    return plan, potentials
