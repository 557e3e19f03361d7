"""SpaGE: cells and spots aligned by principal vectors, then weighted nearest cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register("spage", family="alignment", paper="Abdelaal et al. 2020", doi="10.1093/nar/gkaa740", version="1")
@dataclass(frozen=True)
class SpaGE(Method):
    """Spatial Gene Enhancement (Abdelaal et al. 2020, Nucleic Acids Research 48, e107).

    1. z-score each visible gene in each dataset; PCA of the cells and of the spots.
    2. Principal vectors: the rotations of both sets of loadings that match best; keep those of the reference
       whose cosine similarity with their partner exceeds ``min_similarity``, and project cells and spots on
       them.
    3. The value at a spot is the weighted mean of the reference ``X`` over its nearest cells by cosine
       distance.

    Parameters
    ----------
    n_pv
        Principal components per dataset (paper, 50 for large panels), capped at half the number of visible
        genes, which is the rule of the published benchmarks (some of which cap at 100).
    n_neighbors
        Nearest cells (authors' code, 50), at most the number of cells.
    min_similarity
        Smallest cosine similarity of a pair of principal vectors that is kept (authors' code, 0.3).

    Deviations
    ----------
    - PCA by the eigenvectors of the gene correlations, never randomised, so that no seed is involved.
    - Genes constant in one dataset are left out; the original fails on them.
    - No pair of vectors above ``min_similarity``: the best pair is kept, with a warning; the original fails.
    - A single neighbour, or neighbours all at distance 0, get equal weights; the original gives NaN.
    - All spots at once by a sparse matrix product; the original loops over the spots.
    """

    n_pv: int = 50
    n_neighbors: int = 50
    min_similarity: float = 0.3

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.neighbours import cosine_weights
        from stbench.toolbox.scale import zscore

        genes = task.varying_genes()
        cells = zscore(dense(task.reference, genes))  # (n_cells, n_genes)
        spots = zscore(dense(task.spatial, genes))  # (n_spots, n_genes)

        # centred data have one dimension less than observations
        n_pv = max(1, min(self.n_pv, len(genes) // 2, len(cells) - 1, len(spots) - 1))
        vectors, similarity = principal_vectors(cells, spots, n_pv)
        n_kept = int(np.sum(similarity > self.min_similarity))
        if n_kept == 0:
            ctx.log.warning(
                "no principal vector has a partner above %g; the best is kept", self.min_similarity
            )
        vectors = vectors[:, : max(n_kept, 1)]

        weights = cosine_weights(cells @ vectors, spots @ vectors, self.n_neighbors)
        return weights @ dense(task.reference, task.targets)

    def memory_bytes(self, shape: Shape) -> int:
        """Dense copies of both datasets on the genes in use; sklearn searches in blocks."""
        return 8 * 4 * (shape.cells + shape.spots) * (shape.visible + shape.targets)


def principal_vectors(cells: np.ndarray, spots: np.ndarray, n_pv: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal vectors of the reference (n_genes, n_pv) and their similarity to their partners in space."""
    import numpy as np

    from stbench.toolbox.components import leading_components

    (_, source), (_, target) = (leading_components(side.T @ side, n_pv) for side in (cells, spots))
    rotation, similarity, _ = np.linalg.svd(source.T @ target)
    return source @ rotation, similarity
