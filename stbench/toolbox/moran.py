"""Moran's I, the autocorrelation of a map over neighbouring spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

N_NEIGHBORS = 6  # of a spot on a hexagonal array


def spot_graph(coordinates: np.ndarray) -> csr_matrix:
    """Weight 1 from every spot to its six nearest other spots (or to all others), (n_spots, n_spots)."""
    from sklearn.neighbors import kneighbors_graph  # takes a second to import

    places = np.asarray(coordinates, dtype=float)
    return kneighbors_graph(places, min(N_NEIGHBORS, len(places) - 1))


def morans_i(z: np.ndarray, weights: csr_matrix) -> np.ndarray:
    """Moran's I of every column of ``z``, (n_genes,); 0 for a column of zeros.

    I = (n / sum w) (z' W z) / (z' z), where z' z = n for the z-scores ``z`` (n_spots, n_genes).
    Source: Moran 1950, doi 10.2307/2332142.
    """
    return np.asarray(np.einsum("sg,sg->g", z, weights @ z) / weights.sum())
