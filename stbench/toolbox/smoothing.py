"""Means over neighbouring spots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from stbench.task import Task

Smoother = Callable[[np.ndarray], np.ndarray]


def smoothers(task: Task, sizes: Sequence[int]) -> list[Smoother]:
    """The identity and, if several spots have coordinates, the mean over the nearest others for each size."""
    if "spatial" not in task.spatial.obsm or task.spatial.n_obs < 2:
        return [lambda maps: maps]
    coordinates = task.coordinates()
    means = [neighbour_means(coordinates, size) for size in sizes]
    return [lambda maps: maps, *((lambda maps, mean=mean: mean @ maps) for mean in means)]


def neighbour_means(coordinates: np.ndarray, size: int) -> csr_matrix:
    """Sparse matrix (n_spots, n_spots) that averages over the ``size`` nearest other spots."""
    n_spots = len(coordinates)
    size = min(size, n_spots - 1)
    nearest = cKDTree(coordinates).query(coordinates, size + 1)[1]  # (n_spots, size + 1)
    # with spots at the same place, a spot may be at any position of its own row, or missing from it
    other = nearest != np.arange(n_spots)[:, None]
    other[other.all(axis=1), -1] = False
    columns = nearest[other]
    return csr_matrix(
        (np.full(columns.size, 1 / size), columns, np.arange(0, columns.size + 1, size)),
        shape=(n_spots, n_spots),
    )
