"""Scales of expression: Eq. 4 of the CausalGeD paper, z-scores, shares of a maximum, and the ways back.

Every method gets and returns `log_normalise`d values, ``X``. A method that works on z-scores or on shares of
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
    """``log(N c / sum(c) + 1)``, float32 CSR; ``totals`` are row sums over more genes than these."""
    counts = sparse.csr_matrix(counts, dtype=np.float64)
    if totals is None:
        totals = np.asarray(counts.sum(axis=1)).ravel()
    scaled = sparse.csr_matrix(sparse.diags(size_factors(totals)) @ counts)
    scaled.data = np.log1p(scaled.data)
    return scaled.astype(np.float32)


def zscore(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and population sd 1, in the shape of ``values``: (n_obs, n_genes) or (n_obs,).

    A constant column is 0. So is a column whose range is at most 1e-12 of its largest value, because that is
    rounding noise. The metrics must score such a column, so they use `stbench.metrics.pcc.standardise`.
    """
    centred = values - values.mean(axis=0)
    constant = np.ptp(values, axis=0) <= 1e-12 * np.abs(values).max(axis=0)
    sd = np.where(constant, 1.0, centred.std(axis=0))
    return np.where(constant, 0.0, centred / sd)


def zscored(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Cells (n_cells, n_genes) and spots (n_spots, n_genes) on the varying genes, z-scored separately."""
    genes = task.varying_genes()
    return zscore(dense(task.reference, genes)), zscore(dense(task.spatial, genes))


def from_zscores(task: Task, maps: np.ndarray) -> np.ndarray:
    """Standardised maps of the targets on the scale of ``task.spatial.X``, (n_spots, n_targets).

    `along_line` gives the mean and the sd of a target. A target without any value in the reference is 0.
    """
    genes = task.varying_genes()
    seen, known = dense(task.spatial, genes), dense(task.reference, genes)
    new = dense(task.reference, task.targets)
    mean = along_line(known.mean(axis=0), seen.mean(axis=0), new.mean(axis=0))
    sd = along_line(known.std(axis=0), seen.std(axis=0), new.std(axis=0))
    return np.where(new.any(axis=0), mean + sd * maps, 0.0)


def by_maximum(values: np.ndarray) -> np.ndarray:
    """A new array (n_obs, n_genes): negative values set to 0, then columns divided by maxima above 0."""
    values = np.maximum(values, 0)
    largest = values.max(axis=0)
    return values / np.where(largest > 0, largest, 1.0)


def target_maxima(task: Task) -> np.ndarray:
    """Expected maximum of every target over the spots, scale of ``X``, (n_targets,), by `along_line`."""
    known, seen = dense(task.reference, task.visible), dense(task.spatial, task.visible)
    new = dense(task.reference, task.targets)
    return along_line(known.max(axis=0), seen.max(axis=0), new.max(axis=0))


def along_line(known: np.ndarray, seen: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Values in space of the targets, (n_targets,), from their values ``new`` in the reference.

    They follow the least-squares line through the visible genes, log value in space (``seen``) against log
    value in the reference (``known``), and are clipped to the range of the visible genes.
    """
    tiny = 1e-3  # limits the weight of genes that are almost never seen
    x, y = np.log(known + tiny), np.log(seen + tiny)
    slope = 0.0 if np.ptp(x) == 0 else np.cov(x, y, bias=True)[0, 1] / x.var()
    line = y.mean() + slope * (np.log(new + tiny) - x.mean())
    return np.asarray(np.exp(np.clip(line, y.min(), y.max())))
