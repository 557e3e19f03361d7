"""Structural similarity with one global window per gene."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register
from stbench.toolbox.scale import by_maximum

C1 = 0.01**2  # (K1 L)^2 with L = 1: both columns end at 1
C2 = 0.03**2  # (K2 L)^2


@register("ssim", best="high", bounds=(-1, 1), definition="1", primary=True, column=2)
def ssim(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Structural similarity with one window over all spots, per gene, (n_genes,).

    Negatives are clipped to 0 and each column is divided by its maximum; an all-zero column stays zero.
    Luminance x contrast x structure, from population moments, with K1 = 0.01, K2 = 0.03, C3 = C2 / 2 and
    L = 1. The window is global: the same permutation of the spots on both sides changes nothing, so the
    score ignores space. A constant column is scored like any other.

    Source: Li et al. 2022, Nature Methods, doi 10.1038/s41592-022-01480-9; the index itself is Wang et al.
    2004, IEEE Trans. Image Process., doi 10.1109/TIP.2003.819861, Eq. 12.
    """
    n_spots = len(truth)
    truth, prediction = (by_maximum(np.asarray(values, dtype=float)) for values in (truth, prediction))
    mean_t, mean_p = truth.mean(axis=0), prediction.mean(axis=0)
    truth -= mean_t
    prediction -= mean_p
    variance_t = np.einsum("sg,sg->g", truth, truth) / n_spots
    variance_p = np.einsum("sg,sg->g", prediction, prediction) / n_spots
    covariance = np.einsum("sg,sg->g", truth, prediction) / n_spots

    luminance = (2 * mean_t * mean_p + C1) / (mean_t**2 + mean_p**2 + C1)
    # contrast x structure: with C3 = C2 / 2 the product of the two sd cancels
    structure = (2 * covariance + C2) / (variance_t + variance_p + C2)
    return luminance * structure
