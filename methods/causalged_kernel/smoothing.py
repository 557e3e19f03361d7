"""Means over neighbouring spots, as linear maps that are cheap to apply."""

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
    """The identity, and the mean over the ``size`` nearest other spots for each size.

    Without coordinates, or with a single spot, only the identity.
    """
    if "spatial" not in task.spatial.obsm or task.spatial.n_obs < 2:
        return [lambda maps: maps]
    coordinates = task.coordinates()
    means = [neighbour_means(coordinates, size) for size in sizes]
    return [lambda maps: maps, *((lambda maps, mean=mean: mean @ maps) for mean in means)]


def neighbour_means(coordinates: np.ndarray, size: int) -> csr_matrix:
    """Sparse matrix (n_spots, n_spots) that averages over the ``size`` nearest spots, the spot left out."""
    n_spots = len(coordinates)
    size = min(size, n_spots - 1)
    nearest = cKDTree(coordinates).query(coordinates, size + 1)[1]  # (n_spots, size + 1)
    # a spot need not come first where another has the same place, nor be there at all where many have
    other = nearest != np.arange(n_spots)[:, None]
    other[other.all(axis=1), -1] = False
    columns = nearest[other]
    return csr_matrix(
        (np.full(columns.size, 1 / size), columns, np.arange(0, columns.size + 1, size)),
        shape=(n_spots, n_spots),
    )
