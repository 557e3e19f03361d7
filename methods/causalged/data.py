"""Genes as rows: their maps over the spots and their profiles over the cells of the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stbench.methods import Task, dense
from stbench.toolbox.scale import by_maximum


@dataclass(frozen=True)
class GeneRows:
    """Rows of a task, each divided by its maximum, matched by name.

    ``maps`` (n_visible, n_spots) and ``profiles`` (n_visible, n_cells) of the visible genes, and
    ``target_profiles`` (n_targets, n_cells).
    """

    maps: Tensor
    profiles: Tensor
    target_profiles: Tensor


def gene_rows(task: Task, device: str) -> GeneRows:
    """The rows of ``task`` as float32 tensors on ``device``."""

    def on_device(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(by_maximum(values).T)).to(device)

    return GeneRows(
        on_device(dense(task.spatial, task.visible, dtype=np.float32)),
        on_device(dense(task.reference, task.visible, dtype=np.float32)),
        on_device(dense(task.reference, task.targets, dtype=np.float32)),
    )
