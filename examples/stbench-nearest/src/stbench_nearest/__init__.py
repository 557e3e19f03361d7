"""A method for stbench: a spot gets the values of the cell that is most similar to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register("nearest_cell", family="baseline", paper="stbench example", version="1")
@dataclass(frozen=True)
class NearestCell(Method):
    """The targets of the cell with the highest correlation over the visible genes."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Values on the scale of the reference, (n_spots, n_targets)."""
        from stbench.toolbox.scale import zscore

        genes = task.varying_genes()
        cells, spots = zscore(dense(task.reference, genes)), zscore(dense(task.spatial, genes))
        likeness = zscore(spots.T).T @ zscore(cells.T)  # (n_spots, n_cells)
        return dense(task.reference, task.targets)[likeness.argmax(axis=1)]
