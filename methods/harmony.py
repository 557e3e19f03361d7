"""Harmony + kNN: a joint PCA of cells and spots, corrected for their origin, and the nearest cells in it."""

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
        Principal components, at most the number of visible genes (that of `knn`, so that the two compare).
    n_neighbors
        Cells that are averaged, at most the number of cells (the k of Liger's imputation, 30).

    Deviations
    ----------
    - Harmony is an integration, not a predictor: the neighbours are ours. It stands in for the anchor-based
      transfer of the R packages, without being it.
    - Everything else of Harmony is the default of harmonypy; ``seed`` starts its clustering.
    """

    n_components: int = 30
    n_neighbors: int = 30

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.components import leading_components
        from stbench.toolbox.neighbours import equal_weights
        from stbench.toolbox.scale import zscore

        require_package("harmony", "harmonypy", "harmonypy", "harmony")
        genes = task.varying_genes()
        cells = zscore(dense(task.reference, genes))  # (n_cells, n_genes)
        spots = zscore(dense(task.spatial, genes))  # (n_spots, n_genes)
        both = np.concatenate([cells, spots])
        _, axes = leading_components(both.T @ both, self.n_components)

        corrected = correct(both @ axes, len(cells), ctx)
        weights = equal_weights(corrected[: len(cells)], corrected[len(cells) :], self.n_neighbors)
        return weights @ dense(task.reference, task.targets)

    def memory_bytes(self, shape: Shape) -> int:
        """Three dense copies of both datasets on the genes in use; neighbours are searched in blocks."""
        return 8 * 3 * (shape.cells + shape.spots) * (shape.visible + shape.targets)


def correct(components: np.ndarray, n_cells: int, ctx: Context) -> np.ndarray:
    """Components (n_cells + n_spots, n_components), cells first, without the difference of the datasets."""
    import numpy as np
    import pandas as pd
    from harmonypy import run_harmony

    origin = pd.DataFrame({"origin": np.where(np.arange(len(components)) < n_cells, "reference", "space")})
    result = run_harmony(
        components, origin, ["origin"], verbose=False, random_state=ctx.seed, ncores=ctx.threads
    )
    corrected = np.asarray(result.Z_corr)
    # older versions of harmonypy return components x observations
    return corrected if corrected.shape == components.shape else corrected.T
