"""Root mean square error in the units of the prediction."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register


@register("rmse_log", best="low", bounds=(0, np.inf), definition="1", column=8)
def rmse_log(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Root mean square of the difference over the spots, per gene, (n_genes,), in log-normalised units.

    No scaling: the values are compared as given, which is log(N c / sum(c) + 1) for counts (Eq. 4 of the
    CausalGeD paper) and log1p for intensities. Unlike ``rmse`` it depends on level and spread, so a good
    pattern at a wrong level can score as no pattern.
    """
    difference = np.asarray(truth, dtype=float) - prediction
    return np.sqrt(np.einsum("sg,sg->g", difference, difference) / len(difference))
