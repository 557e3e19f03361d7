"""What the visible genes say about every spot, and the way back to the scale of the task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stbench.methods import Task, dense

from .labels import label_cells, shares
from .reference import Cells


@dataclass(frozen=True)
class Spots:
    """The spots of a task on the gene axis of the reference.

    Attributes
    ----------
    target
        Visible expression of the mean cell of a spot on the linear scale of the reference, platform factors
        taken out, (n_spots, n_visible). A row of zeros is an empty spot: nothing is asked of its cells.
    seen, hidden
        Places of the visible genes and of the targets on the gene axis.
    types
        Types of the cells of every spot, (n_spots, n_cells).
    size
        Factor from the linear scale of the reference to that of ``task.spatial.X``.
    """

    target: Tensor
    seen: Tensor
    hidden: Tensor
    types: Tensor
    size: float


def read_spots(task: Task, cells: Cells, *, n_cells: int, nu: float, min_count: int, device: str) -> Spots:
    """The spots of ``task``, labelled from its visible genes only."""
    place = {gene: i for i, gene in enumerate(cells.genes)}
    seen = [place[gene] for gene in task.visible]
    hidden = [place[gene] for gene in task.targets]
    counts = dense(task.spatial, task.visible, "counts")
    labels = label_cells(
        counts,
        cells.linear[:, seen],
        task.coordinates() if "spatial" in task.spatial.obsm else None,
        n_cells=n_cells,
        nu=nu,
        min_count=min_count,
    )
    reference_sum = float(np.expm1(cells.values[:, seen]).sum(axis=1).mean())
    totals = counts.sum(axis=1)
    spatial_sum = float(np.median(totals[totals > 0])) if totals.any() else 0.0
    target = shares(counts / labels.platform) * reference_sum
    return Spots(
        target=torch.tensor(target, dtype=torch.float32, device=device),
        seen=torch.tensor(seen, device=device),
        hidden=torch.tensor(hidden, device=device),
        types=torch.tensor(labels.types, device=device),
        size=spatial_sum / max(reference_sum, 1e-12),
    )
