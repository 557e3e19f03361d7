"""Harmony + kNN: the nearest cells in a joint PCA of cells and spots, corrected for the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register(
    "harmony",
    family="alignment",
    paper="Korsunsky et al. 2019",
    doi="10.1038/s41592-019-0619-0",
    version="1",
    packages=("harmonypy",),
)
@dataclass(frozen=True)
class Harmony(Method):
    """Harmony integration (Korsunsky et al. 2019, Nature Methods 16, 1289) with nearest neighbours.

    1. z-score each visible gene within its own dataset; one PCA of cells and spots together.
    2. `harmonypy.run_harmony` removes the difference between the two datasets from the components.
    3. The value at a spot is the mean of the reference ``X`` over its nearest cells.

    Parameters
    ----------
    n_components
        Principal components, at most the number of visible genes (as in `knn`, to compare the two).
    n_neighbors
        Cells that are averaged, at most the number of cells (the k of Liger's imputation, 30).

    Deviations
    ----------
    - Harmony integrates datasets and does not predict: the neighbours are ours. The method takes the place of
      the anchor-based transfer of the R packages, but is not the same.
    - All other settings of Harmony are the defaults of harmonypy; ``seed`` starts its clustering.
    """

    n_components: int = 30
    n_neighbors: int = 30

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np
        import pandas as pd

        from stbench.toolbox.components import leading_components
        from stbench.toolbox.neighbours import equal_weights
        from stbench.toolbox.scale import zscored

        require_package("harmony", "harmonypy", "harmonypy", "harmony")
        from harmonypy import run_harmony

        cells, spots = zscored(task)  # (n_cells, n_genes), (n_spots, n_genes)
        both = np.concatenate([cells, spots])
        _, axes = leading_components(both.T @ both, self.n_components)
        components = both @ axes

        origin = pd.DataFrame({"origin": ["reference"] * len(cells) + ["space"] * len(spots)})
        corrected = run_harmony(
            components, origin, ["origin"], verbose=False, random_state=ctx.seed, ncores=ctx.threads
        ).Z_corr
        if corrected.shape != components.shape:  # older versions of harmonypy: components x observations
            corrected = corrected.T
        weights = equal_weights(corrected[: len(cells)], corrected[len(cells) :], self.n_neighbors)
        return weights @ dense(task.reference, task.targets)

    def memory_bytes(self, shape: Shape) -> int:
        """Three dense copies of both datasets on the genes in use; the search of neighbours uses blocks."""
        return 8 * 3 * (shape.cells + shape.spots) * (shape.visible + shape.targets)
