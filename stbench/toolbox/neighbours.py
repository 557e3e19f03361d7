"""Nearest cells of every spot in a common space, as sparse weights to multiply the reference with."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.neighbors import NearestNeighbors

WORKING_MB = 64  # for distances; with the 1024 of scikit-learn the search takes 1 GB more and 4 times longer


def cosine_weights(cells: np.ndarray, spots: np.ndarray, n_neighbors: int) -> csr_matrix:
    """Weights of the nearest cells by cosine distance, (n_spots, n_cells), see `spage_weights`."""
    k = min(n_neighbors, len(cells))
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="cosine").fit(cells)
    with config_context(working_memory=WORKING_MB):
        distances, neighbors = search.kneighbors(spots)
    return spage_weights(distances, neighbors, len(cells))


def spage_weights(distances: np.ndarray, neighbors: np.ndarray, n_cells: int) -> csr_matrix:
    """Weights of the cells for every spot, (n_spots, n_cells), rows summing to 1 (Abdelaal et al. 2020).

    Only the neighbours (n_spots, k) at a cosine distance below 1 count. With K of them,
    ``w_k = (1 - d_k / sum d) / (K - 1)``. A single neighbour, or neighbours all at distance 0, get equal
    weights. A spot without such a neighbour has an empty row and is predicted as 0.
    """
    near = distances < 1
    n_near = near.sum(axis=1, keepdims=True)
    total = np.where(near, distances, 0).sum(axis=1, keepdims=True)
    even = (n_near == 1) | (total == 0)
    weights = (1 - distances / np.where(even, 1, total)) / np.where(even, 1, n_near - 1)
    weights = np.where(near, np.where(even, 1 / np.maximum(n_near, 1), weights), 0)
    starts = np.arange(0, weights.size + 1, weights.shape[1])
    return csr_matrix((weights.ravel(), neighbors.ravel(), starts), shape=(len(weights), n_cells))


def equal_weights(cells: np.ndarray, spots: np.ndarray, n_neighbors: int) -> csr_matrix:
    """Equal weights of the nearest cells by Euclidean distance, (n_spots, n_cells), rows summing to 1."""
    k = min(n_neighbors, len(cells))
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(cells)
    return search.kneighbors_graph(spots) / k
