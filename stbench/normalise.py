"""Eq. 4 of the CausalGeD paper: the scale that every method gets and answers on."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse


def size_factors(totals: np.ndarray) -> np.ndarray:
    """Median total over each total, ``N / sum(c)``; 1 for an empty spot. ``totals`` has shape (n_obs,)."""
    totals = np.asarray(totals, dtype=float).ravel()
    filled = totals > 0
    factors = np.ones_like(totals)
    if filled.any():
        factors[filled] = np.median(totals[filled]) / totals[filled]
    return factors


def log_normalise(counts: Any, totals: np.ndarray | None = None) -> sparse.csr_matrix:
    """``log(N c / sum(c) + 1)`` as float32 CSR, (n_obs, n_genes).

    ``totals`` are the sums per row when they run over more genes than ``counts`` has.
    """
    counts = sparse.csr_matrix(counts, dtype=np.float64)
    if totals is None:
        totals = np.asarray(counts.sum(axis=1)).ravel()
    scaled = sparse.csr_matrix(sparse.diags(size_factors(totals)) @ counts)
    scaled.data = np.log1p(scaled.data)
    return scaled.astype(np.float32)
