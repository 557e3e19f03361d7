"""Genes as shares of their maximum, and the maximum that a target may have in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stbench.standardise import along_line
from stbench.task import dense

if TYPE_CHECKING:
    from stbench.task import Task


def by_maximum(values: np.ndarray) -> np.ndarray:
    """Non-negative columns divided by their maxima, (n_obs, n_genes); a column of zeros stays so."""
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
