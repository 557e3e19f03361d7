"""Standardised genes: z-scores within a dataset, and the way back from them to the scale of ``X``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stbench.task import dense

if TYPE_CHECKING:
    from stbench.task import Task


def zscore(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and population sd 1, (n_obs, n_genes); a constant column is 0."""
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


def along_line(known: np.ndarray, seen: np.ndarray, new: np.ndarray) -> np.ndarray:
    """``new`` along the least-squares line through (log known, log seen), within the range of seen."""
    tiny = 1e-3  # a gene that is almost never seen must not bend the line
    x, y = np.log(known + tiny), np.log(seen + tiny)
    slope = 0.0 if np.ptp(x) == 0 else np.cov(x, y, bias=True)[0, 1] / x.var()
    return np.exp(np.clip(y.mean() + slope * (np.log(new + tiny) - x.mean()), y.min(), y.max()))
