"""The formulas of CausalGeD's published ``evaluate.py``, for comparison with reported numbers.

Before every formula, truth and prediction are min-max scaled per gene, each by its own range. The names
state what differs from the metrics of the benchmark. None of these metrics is part of the rank. The
published code divides by zero for a constant column; here such a column is 0 after scaling.

Source: CausalGeD repository, commit 8474310, ``evaluate.py``.
"""

from __future__ import annotations

import numpy as np

from stbench.metrics import register

from .js import LN2, js
from .pcc import pcc
from .ssim import ssim


@register("causalged_pcc", best="high", bounds=(-1, 1), definition="1")
def causalged_pcc(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Pearson correlation after min-max scaling, (n_genes,): the same number as ``pcc``."""
    return pcc(min_max(truth), min_max(prediction))


@register("causalged_ssim", best="high", bounds=(-1, 1), definition="1")
def causalged_ssim(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Global structural similarity after min-max scaling, (n_genes,); the maxima are 1, so L = 1."""
    return ssim(min_max(truth), min_max(prediction))


@register("causalged_rmse_plus_1", best="low", bounds=(1, 2), definition="1")
def causalged_rmse_plus_1(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """1 + root mean square of the difference of min-max scaled values (no z-score), (n_genes,)."""
    difference = min_max(truth) - min_max(prediction)
    return 1 + np.sqrt(np.einsum("sg,sg->g", difference, difference) / len(difference))


@register("causalged_js_distance", best="low", bounds=(0, LN2**0.5), definition="1")
def causalged_js_distance(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Square root of the Jensen-Shannon divergence (natural log) after min-max scaling, (n_genes,)."""
    return np.sqrt(js(min_max(truth), min_max(prediction)))


def min_max(values: np.ndarray) -> np.ndarray:
    """Every column scaled to the range from 0 to 1, (n_spots, n_genes); a constant column becomes 0."""
    values = np.asarray(values, dtype=float)
    reach = np.ptp(values, axis=0)
    return (values - values.min(axis=0)) / np.where(reach > 0, reach, 1)
