"""Genes as rows: what the networks see of a task, and the way back to its scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stbench.methods import Task, dense


@dataclass(frozen=True)
class GeneRows:
    """Maps of the known genes and profiles of all genes, each row divided by its maximum.

    ``maps`` (n_known, n_spots), ``profiles`` (n_known, n_cells), ``target_profiles`` (n_targets, n_cells).
    """

    maps: Tensor
    profiles: Tensor
    target_profiles: Tensor


def gene_rows(task: Task, known: Sequence[str], device: str) -> GeneRows:
    """The rows of the ``known`` visible genes and of the targets of ``task``, matched by name."""

    def rows(table, genes):
        values = dense(table, genes, dtype=np.float32)
        largest = values.max(axis=0)
        return torch.from_numpy(np.ascontiguousarray((values / np.where(largest > 0, largest, 1)).T)).to(
            device
        )

    return GeneRows(
        rows(task.spatial, known), rows(task.reference, known), rows(task.reference, task.targets)
    )


def target_maxima(task: Task) -> np.ndarray:
    """Expected maximum of every target over the spots, (n_targets,).

    A line ``log max(spatial) = a + b log max(reference)`` through the visible genes, read at the targets.
    Genes that are zero everywhere in the reference count as the weakest visible gene.
    """
    spatial = dense(task.spatial, task.visible).max(axis=0)
    reference = dense(task.reference, task.visible).max(axis=0)
    targets = dense(task.reference, task.targets).max(axis=0)
    seen = (spatial > 0) & (reference > 0)
    if not seen.any():
        return np.ones(len(targets))
    x, y = np.log(reference[seen]), np.log(spatial[seen])
    spread = np.var(x)
    slope = np.mean((x - x.mean()) * (y - y.mean())) / spread if spread > 0 else 0.0
    return np.exp(y.mean() + slope * (np.log(np.maximum(targets, reference[seen].min())) - x.mean()))
