"""Whether a prediction finds the genes with a spatial pattern."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register
from stbench.toolbox.moran import morans_i, spot_graph

from .pcc import standardise
from .spearman import spearman

MIN_GENES = 3  # two genes agree or disagree by chance


@register(
    "svg_rank", best="high", bounds=(-1, 1), definition="1", needs_coords=True, over_genes=True
)  # fmt: skip
def svg_rank(truth: np.ndarray, prediction: np.ndarray, coordinates: np.ndarray) -> float:
    """Rank correlation over the genes between Moran's I of prediction and of truth, one number for all genes.

    Moran's I and its spot graph are those of ``moran_difference``, which also penalises maps that are all too
    smooth. Here only the order of the genes counts. Genes with the same I share their average rank; a
    constant map has I = 0. Predictions that all have the same I score 0. Fewer than three genes have no value
    (NaN).

    Source: Moran 1950, doi 10.2307/2332142; Spearman 1904, doi 10.2307/1412159.
    """
    if truth.shape[1] < MIN_GENES:
        return float("nan")
    weights = spot_graph(coordinates)
    true, predicted = (morans_i(standardise(maps), weights)[:, None] for maps in (truth, prediction))
    return float(spearman(true, predicted)[0])
