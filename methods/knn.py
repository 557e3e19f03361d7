"""Baseline: the mean of the nearest cells in a PCA of the visible genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register("knn", family="baseline", paper="Cover and Hart 1967", doi="10.1109/TIT.1967.1053964", version="1")
@dataclass(frozen=True)
class KNN(Method):
    """Mean of the nearest cells of each spot, in the principal components of the reference.

    Genes are z-scored within each dataset. The components come from the cells, and the spots are projected on
    them. SpaGE adds principal vectors and weights to this.

    Parameters
    ----------
    n_components
        Principal components, at most the number of visible genes.
    n_neighbors
        Cells that are averaged, at most the number of cells; 50 as in SpaGE.
    """

    n_components: int = 30
    n_neighbors: int = 50

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.components import leading_components
        from stbench.toolbox.neighbours import equal_weights
        from stbench.toolbox.scale import zscored

        cells, spots = zscored(task)  # (n_cells, n_genes), (n_spots, n_genes)
        _, axes = leading_components(cells.T @ cells, self.n_components)

        weights = equal_weights(cells @ axes, spots @ axes, self.n_neighbors)
        return weights @ dense(task.reference, task.targets)
