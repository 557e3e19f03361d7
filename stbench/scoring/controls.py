"""The two controls that need the truth: the scorer computes them, not a method.

``perfect`` is the best possible score. ``ceiling`` is the best correlation that the noise of the counts
allows: even the true expression rates do not correlate perfectly with one noisy measurement of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from stbench.errors import StbenchError
from stbench.metric import REGISTRY
from stbench.scoring.scores import default_metrics
from stbench.toolbox.scale import size_factors

PERFECT, CEILING = "perfect", "ceiling"  # names of the two controls
DRAWS = 10
ROUNDING = 1e-12  # a variance below this share of the mean square is a rounding error


def perfect(truth: pd.DataFrame) -> pd.DataFrame:
    """The truth as a prediction, a copy."""
    return truth.copy()


def ceiling_scores(counts: Any, totals: np.ndarray, *, seed: int = 0) -> pd.DataFrame:
    """Ceilings, genes x the default metrics that declare one (`stbench.metric.Metric.ceiling`).

    Each is computed from `split_half_correlation`, with the same parameters. Intensities have no ceiling. It
    assumes Poisson sampling. In simulations the error of the ceiling of the correlation was about .04, and
    larger for genes with nearly no signal: its square root turns r = .02 into .2.
    """
    r = split_half_correlation(counts, totals, seed=seed)
    metrics = [REGISTRY.get(name) for name in default_metrics()]
    return pd.DataFrame({metric.name: metric.ceiling(r) for metric in metrics if metric.ceiling})


def split_half_correlation(counts: Any, totals: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Pearson correlation between two random halves of the counts, per gene, clipped to [0, 1], (n_genes,).

    Each count is split by a binomial with probability 1/2, each half is normalised by its own depth with
    Eq. 4 of the CausalGeD paper, and r is averaged over ten draws. A gene constant in a half has r = 0.

    Parameters
    ----------
    counts
        Spots x genes of interest, sparse or dense, whole numbers.
    totals
        Sum per spot over all genes of the spatial file, (n_spots,). The genes that are not in ``counts``
        are split as one sum, which has the same distribution.

    Raises
    ------
    StbenchError
        For counts that are negative or not whole, or larger than the total of their spot. Such values are
        not rounded: a ceiling is defined for counts only.
    """
    counts = sparse.csr_matrix(counts).tocoo()
    totals = np.asarray(totals, dtype=float).ravel()
    rest = totals - np.bincount(counts.row, counts.data, minlength=counts.shape[0])
    for values, what in ((counts.data, "the counts"), (rest, "the totals minus the counts of their spot")):
        if not ((values >= 0) & (values == np.rint(values)) & np.isfinite(values)).all():
            raise StbenchError(f"A ceiling needs counts, but {what} are not all whole numbers from 0 up.")

    rng = np.random.default_rng(seed)
    whole, whole_rest = counts.data.astype(np.int64), rest.astype(np.int64)

    def log_normalise(half: np.ndarray, half_rest: np.ndarray) -> np.ndarray:
        """Eq. 4 for the values ``half`` at the places of ``counts``, with their own depth."""
        depth = np.bincount(counts.row, half, minlength=counts.shape[0]) + half_rest
        return np.asarray(np.log1p(half * size_factors(depth)[counts.row]))

    r = np.zeros(counts.shape[1])
    for _ in range(DRAWS):
        half, half_rest = rng.binomial(whole, 0.5), rng.binomial(whole_rest, 0.5)
        first, second = log_normalise(half, half_rest), log_normalise(whole - half, whole_rest - half_rest)
        r += np.clip(_correlation(first, second, counts), 0, 1) / DRAWS
    return r


def _correlation(first: np.ndarray, second: np.ndarray, counts: sparse.coo_matrix) -> np.ndarray:
    """Pearson correlation per gene of two sets of values at the places of ``counts``, zero elsewhere."""
    n_spots, n_genes = counts.shape

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(counts.col, values, minlength=n_genes) / n_spots)

    mean_1, mean_2, square_1, square_2 = mean(first), mean(second), mean(first**2), mean(second**2)
    variance_1, variance_2 = square_1 - mean_1**2, square_2 - mean_2**2
    varies = (variance_1 > ROUNDING * square_1) & (variance_2 > ROUNDING * square_2)
    covariance = mean(first * second) - mean_1 * mean_2
    return np.where(varies, covariance, 0) / np.sqrt(np.where(varies, variance_1 * variance_2, 1))
