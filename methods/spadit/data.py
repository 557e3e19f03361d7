"""Genes as rows between -1 and 1: their maps over the spots and their profiles over the cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stbench.methods import Task, dense
from stbench.toolbox.components import leading_components
from stbench.toolbox.scale import by_maximum

N_COMPONENTS = 100


@dataclass(frozen=True)
class GeneRows:
    """Rows of a task.

    ``maps`` of the visible genes and where they are ``zero`` (n_visible, n_spots); their ``profiles``
    (n_visible, n_features), and ``target_profiles`` (n_targets, n_features).
    """

    maps: Tensor
    zero: Tensor
    profiles: Tensor
    target_profiles: Tensor


def gene_rows(task: Task, sc_reduce: str, device: str) -> GeneRows:
    """The rows of a task, each ``2 x / maximum - 1``; matched by name."""
    maps = by_maximum(dense(task.spatial, task.visible)).T
    profiles = 2 * by_maximum(dense(task.reference, [*task.visible, *task.targets])).T - 1
    if sc_reduce == "pca100":
        profiles = principal_components(profiles)

    def on_device(rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).to(device)

    n_visible = len(maps)
    return GeneRows(
        on_device(2 * maps - 1),
        torch.from_numpy(maps == 0).to(device),
        on_device(profiles[:n_visible]),
        on_device(profiles[n_visible:]),
    )


def principal_components(profiles: np.ndarray) -> np.ndarray:
    """Scores of the genes on at most 100 components, (n_genes, n_components), with mean square 1."""
    centred = profiles - profiles.mean(axis=0)
    variances, axes = leading_components(centred @ centred.T, N_COMPONENTS)  # gene x gene, not cell x cell
    scores = axes * np.sqrt(np.maximum(variances, 0))
    size = np.sqrt(np.square(scores).mean())
    return scores / size if size > 0 else scores
