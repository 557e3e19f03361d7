"""How well the spatial autocorrelation of a gene is met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stbench.metrics import register

from .pcc import standardise

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

N_NEIGHBORS = 6  # those of a spot on a hexagonal array

INF = float("inf")


@register("moran_difference", best="low", bounds=(0, INF), definition="1", needs_coords=True, column=7)
def moran_difference(truth: np.ndarray, prediction: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Absolute difference between Moran's I of prediction and truth, per gene, (n_genes,).

    I = (n / sum w) (z' W z) / (z' z) with z the centred values as given. W: every spot has weight 1 to each
    of its six nearest other spots (fewer where there are fewer spots), directed, all coordinates, Euclidean.
    A constant column has I = 0. It asks whether a map is as smooth as the true one, not whether it is right:
    read it beside ``pcc``.

    Source: Moran 1950, doi 10.2307/2332142.
    """
    import numpy as np

    weights = neighbours(coordinates)
    return np.abs(morans_i(prediction, weights) - morans_i(truth, weights))


def morans_i(values: np.ndarray, weights: csr_matrix) -> np.ndarray:
    """Moran's I of every column, (n_genes,); 0 for a constant one."""
    import numpy as np

    z = standardise(values)  # z'z = n, so that the number of spots cancels
    return np.asarray(np.einsum("sg,sg->g", z, weights @ z) / weights.sum())


def neighbours(coordinates: np.ndarray) -> csr_matrix:
    """Weights 1 from every spot to its six nearest other spots, (n_spots, n_spots)."""
    import numpy as np
    from sklearn.neighbors import kneighbors_graph

    places = np.asarray(coordinates, dtype=float)
    return kneighbors_graph(places, min(N_NEIGHBORS, len(places) - 1))
