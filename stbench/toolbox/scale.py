"""Scales of expression: Eq. 4 of the CausalGeD paper, z-scores, shares of a maximum, and the ways back.

Every method gets and answers `log_normalise`d values, ``X``. A method that works on z-scores or on shares of
a maximum returns to the scale of ``X`` with `from_zscores` or `target_maxima`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from stbench.tables import dense

if TYPE_CHECKING:
    from stbench.task import Task


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


def zscore(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and population sd 1, in the shape of ``values``: (n_obs, n_genes) or (n_obs,).

    A constant column is 0. So is one whose range is at most 1e-12 of its largest value, because that is
    rounding noise. The metrics, which must score such a column, use `stbench.metrics.pcc.standardise`.
    """
    centred = values - values.mean(axis=0)
    constant = np.ptp(values, axis=0) <= 1e-12 * np.abs(values).max(axis=0)
    sd = np.where(constant, 1.0, centred.std(axis=0))
    return np.where(constant, 0.0, centred / sd)


def from_zscores(task: Task, maps: np.ndarray) -> np.ndarray:
    """Standardised maps of the targets on the scale of ``task.spatial.X``, (n_spots, n_targets).

    A target has to get a mean and an sd in space from those it has in the reference. A line through the
    visible genes, log sd (or mean) in space against log sd (or mean) in the reference, gives them, held
    within the range of the visible genes. A target that is zero in the whole reference is zero.
    """
    genes = task.varying_genes()
    seen, known = dense(task.spatial, genes), dense(task.reference, genes)
    new = dense(task.reference, task.targets)
    mean = along_line(known.mean(axis=0), seen.mean(axis=0), new.mean(axis=0))
    sd = along_line(known.std(axis=0), seen.std(axis=0), new.std(axis=0))
    return np.where(new.any(axis=0), mean + sd * maps, 0.0)


def by_maximum(values: np.ndarray) -> np.ndarray:
    """A new array: negative values set to 0, columns divided by their maxima, (n_obs, n_genes).

    A column of zeros stays zero.
    """
    values = np.maximum(values, 0)
    largest = values.max(axis=0)
    return values / np.where(largest > 0, largest, 1.0)


def target_maxima(task: Task) -> np.ndarray:
    """Maximum over the spots to expect of every target, on the scale of ``X``, (n_targets,).

    A line through the visible genes, log maximum in space against log maximum in the reference, gives it,
    held within the range of the visible genes.
    """
    known, seen = dense(task.reference, task.visible), dense(task.spatial, task.visible)
    new = dense(task.reference, task.targets)
    return along_line(known.max(axis=0), seen.max(axis=0), new.max(axis=0))


def along_line(known: np.ndarray, seen: np.ndarray, new: np.ndarray) -> np.ndarray:
    """``new`` along the least-squares line through (log known, log seen), within the range of seen."""
    tiny = 1e-3  # a gene that is almost never seen must not bend the line
    x, y = np.log(known + tiny), np.log(seen + tiny)
    slope = 0.0 if np.ptp(x) == 0 else np.cov(x, y, bias=True)[0, 1] / x.var()
    line = y.mean() + slope * (np.log(new + tiny) - x.mean())
    return np.asarray(np.exp(np.clip(line, y.min(), y.max())))
