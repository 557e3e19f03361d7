"""Pearson correlation per gene, and the z-score that it shares with other metrics."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register


def pcc_ceiling(halves: np.ndarray) -> np.ndarray:
    """Correlation of one measurement with the true expression rates, (n_genes,).

    ``halves`` is the correlation r between two halves of the counts. ``2r / (1 + r)`` corrects it to the full
    depth (Spearman 1910, Brown 1910); the root of that is the correlation with the true rates.
    """
    return np.sqrt(2 * halves / (1 + halves))


@register(
    "pcc", best="high", bounds=(-1, 1), definition="1", primary=True, column=1, headline=True,
    ceiling=pcc_ceiling,
)  # fmt: skip
def pcc(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Pearson correlation over the spots, per gene, (n_genes,).

    No scaling, clipping or logarithm: the values are correlated as given. A column that is constant on
    either side has correlation 0.

    Source: Li et al. 2022, Nature Methods, doi 10.1038/s41592-022-01480-9.
    """
    products = np.einsum("sg,sg->g", standardise(truth), standardise(prediction))
    return np.clip(products / len(truth), -1, 1)


def standardise(values: np.ndarray) -> np.ndarray:
    """z-scores of every column with the population standard deviation, (n_spots, n_genes), float64.

    Only a constant column becomes zero, however small the range of others: a score must not depend on the
    offset or the unit of a gene. `stbench.toolbox.scale.zscore` also sets nearly constant columns to 0.
    """
    values = np.asarray(values, dtype=float)
    constant = np.ptp(values, axis=0) == 0
    centred = values - values.mean(axis=0)
    centred -= centred.mean(axis=0)  # the first mean is rounded: matters for a small signal on a large offset
    centred[:, constant] = 0
    largest = np.abs(centred).max(axis=0)
    centred /= np.where(constant, 1, largest)  # the squares of very small or large values leave float64
    sd = np.sqrt(np.einsum("sg,sg->g", centred, centred) / len(centred))
    return centred / np.where(constant, 1, sd)
