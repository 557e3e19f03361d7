"""Cells and spots as rows between -1 and 1, scaled by their visible genes, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from anndata import AnnData

from stbench.methods import Task, dense
from stbench.toolbox.scale import size_factors

TOTAL = 1e4  # stDiff scales every row to this many counts


@dataclass(frozen=True)
class RowScale:
    """Total and largest logarithm of every row over its visible genes, (n_rows, 1) each; 1 if empty."""

    total: np.ndarray
    largest: np.ndarray

    @classmethod
    def of(cls, visible: np.ndarray) -> RowScale:
        """The scale of rows with these counts of visible genes, (n_rows, n_visible)."""
        total = _or_one(visible.sum(axis=1, keepdims=True))
        return cls(total, _or_one(np.log1p(TOTAL / total * visible).max(axis=1, keepdims=True)))

    def apply(self, counts: np.ndarray) -> np.ndarray:
        """``2 log(1e4 c / total + 1) / largest - 1``: -1 for zero, 1 for the largest visible gene."""
        return 2 * np.log1p(TOTAL / self.total * counts) / self.largest - 1

    def invert(self, rows: np.ndarray) -> np.ndarray:
        """The counts behind ``rows`` (..., n_rows, n_genes)."""
        return self.total / TOTAL * np.expm1(self.largest * (rows + 1) / 2)


def training_rows(
    reference: AnnData, visible: Sequence[str], hidden: Sequence[str], added: float
) -> np.ndarray:
    """The cells, and again with ``added`` on every count, (2 n_cells, n_visible + n_hidden), fp32.

    Values are at most 1: a hidden gene may exceed the largest visible one. No copy where ``added`` is 0.
    """
    counts = _counts(reference, [*visible, *hidden])
    if added:
        counts = np.concatenate((counts, counts + added))
    rows = RowScale.of(counts[:, : len(visible)]).apply(counts)
    return np.minimum(rows, 1).astype(np.float32)


def spot_rows(task: Task) -> tuple[np.ndarray, RowScale]:
    """The spots on their visible genes, (n_spots, n_visible), fp32, and their scale."""
    counts = _counts(task.spatial, task.visible)
    scale = RowScale.of(counts)
    return scale.apply(counts).astype(np.float32), scale


def on_scale_of_x(task: Task, scale: RowScale, rows: np.ndarray) -> np.ndarray:
    """Predicted ``rows`` (..., n_spots, n_targets) on the scale of ``task.spatial.X``."""
    counts = scale.invert(rows)
    if task.units == "counts":
        totals = np.asarray(task.spatial.layers["counts"].sum(axis=1))
        counts = size_factors(totals)[:, None] * counts
    return np.log1p(counts)


def _counts(table: AnnData, genes: Sequence[str]) -> np.ndarray:
    """Counts, or intensities with their logarithm undone, (n_obs, n_genes)."""
    if "counts" in table.layers:
        return dense(table, genes, layer="counts")
    return np.expm1(dense(table, genes))


def _or_one(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1.0)
