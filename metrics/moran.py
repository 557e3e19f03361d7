"""Difference of the spatial autocorrelation per gene."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register
from stbench.toolbox.moran import morans_i, spot_graph

from .pcc import standardise


@register("moran_difference", best="low", bounds=(0, np.inf), definition="1", needs_coords=True, column=7)
def moran_difference(truth: np.ndarray, prediction: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Absolute difference between Moran's I of prediction and truth, per gene, (n_genes,).

    I = (n / sum w) (z' W z) / (z' z) with z the centred values as given. W: every spot has weight 1 to each
    of its six nearest other spots (all if there are fewer), directed, all coordinates, Euclidean. A constant
    column has I = 0. It measures whether a map is as smooth as the true one, not whether it is right: compare
    ``pcc``.

    Source: Moran 1950, doi 10.2307/2332142.
    """
    weights = spot_graph(coordinates)
    return np.abs(morans_i(standardise(prediction), weights) - morans_i(standardise(truth), weights))
