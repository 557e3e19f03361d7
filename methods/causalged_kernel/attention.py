"""Spots attend to cells by the similarity of their visible expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stbench.tables import dense
from stbench.toolbox.scale import zscore

if TYPE_CHECKING:
    from stbench.task import Task

CLIP = 3.0  # z-scores are clipped to this, so that a single gene cannot decide the similarity
BLOCK = 1024  # spots at a time, so that a spots x cells array is never in memory


def attend(task: Task, genes: list[str], temperature: float) -> np.ndarray:
    """Standardised maps of the targets, (n_spots, n_targets).

    A spot gets ``softmax(cos(q, k) / temperature) v``: q is its z-scored visible expression, k that of a cell
    and v the z-scored targets of the cell. ``genes`` are those with a z-score.
    """
    keys = _unit(np.clip(zscore(dense(task.reference, genes)), -CLIP, CLIP))  # (n_cells, n_genes)
    queries = _unit(np.clip(zscore(dense(task.spatial, genes)), -CLIP, CLIP))  # (n_spots, n_genes)
    values = zscore(dense(task.reference, task.targets))  # (n_cells, n_targets)
    maps = np.empty((len(queries), values.shape[1]))
    for start in range(0, len(queries), BLOCK):
        rows = slice(start, start + BLOCK)
        # cosines are at most 1: no overflow for any temperature above 0.002
        weights = np.exp((queries[rows] @ keys.T - 1) / temperature)
        maps[rows] = weights @ values / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return zscore(maps)


def cross_attend(task: Task, genes: list[str], temperature: float, n_folds: int, seed: int) -> np.ndarray:
    """Maps of the visible ``genes``, each without the genes of its fold, (n_spots, n_genes)."""
    from stbench.toolbox.conformal import gene_folds

    maps = np.zeros((task.spatial.n_obs, len(genes)))
    for fold in gene_folds(genes, n_folds, seed):
        inner, _ = task.hide(fold)
        maps[:, [genes.index(gene) for gene in fold]] = attend(inner, inner.varying_genes(), temperature)
    return maps


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length == 0, 1, length)
