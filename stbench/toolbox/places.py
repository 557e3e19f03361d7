"""The spatial neighbourhoods that TISSUE and SPRITE use."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree


def neighbourhoods(coordinates: np.ndarray, n_neighbors: int) -> csr_matrix:
    """Weight 1 from every spot to itself and to its nearest spots, (n_spots, n_spots).

    Of the ``n_neighbors`` nearest (all others, if there are fewer), those farther than the outlier limit of
    all these distances, ``Q3 + 1.5 (Q3 - Q1)``, are left out.

    Source: Sun et al. 2024, Nature Methods, doi 10.1038/s41592-024-02184-y (graph ``fixed_radius``).
    """
    n_spots = len(coordinates)
    size = min(n_neighbors + 1, n_spots)
    distances, nearest = cKDTree(coordinates).query(coordinates, size)
    distances, nearest = distances.reshape(n_spots, size), nearest.reshape(n_spots, size)
    own = np.arange(n_spots)[:, None]
    positive = distances[distances > 0]
    low, high = np.quantile(positive, (0.25, 0.75)) if positive.size else (0.0, 0.0)
    near = (distances <= high + 1.5 * (high - low)) & (nearest != own)
    rows = np.broadcast_to(own, nearest.shape)[near]
    graph = csr_matrix((np.ones(len(rows)), (rows, nearest[near])), shape=(n_spots, n_spots))
    graph.setdiag(1)
    return graph
