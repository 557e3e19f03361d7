"""Root mean square error of z-scores per gene."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register

from .pcc import pcc_ceiling, standardise


def rmse_ceiling(halves: np.ndarray) -> np.ndarray:
    """The rmse at `pcc_ceiling`, (n_genes,): the lowest that the noise of the counts allows."""
    return np.sqrt(2 - 2 * pcc_ceiling(halves))


@register(
    "rmse", best="low", bounds=(0, 2), definition="1", primary=True, column=3, redundant="sqrt(2 - 2 pcc)",
    ceiling=rmse_ceiling,
)  # fmt: skip
def rmse(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Root mean square of the difference of z-scores (population sd) over the spots, per gene, (n_genes,).

    By algebra ``rmse = sqrt(2 - 2 pcc)``, so it ranks genes and methods as ``pcc`` does. A column that is
    constant on either side has no z-score and scores sqrt(2), the value of no correlation.

    Source: Li et al. 2022, Nature Methods, doi 10.1038/s41592-022-01480-9.
    """
    truth, prediction = standardise(truth), standardise(prediction)
    constant = ~(truth.any(axis=0) & prediction.any(axis=0))
    difference = truth - prediction
    error = np.sqrt(np.einsum("sg,sg->g", difference, difference) / len(truth))
    return np.where(constant, np.sqrt(2), np.minimum(error, 2))
