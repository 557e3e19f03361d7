"""SpaGE: cells and spots aligned by principal vectors, then weighted nearest cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix


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
        from sklearn.neighbors import NearestNeighbors

        from stbench.standardise import zscore

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

        k = min(self.n_neighbors, len(cells))
        search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="cosine").fit(cells @ vectors)
        distances, neighbors = search.kneighbors(spots @ vectors)
        return weights(distances, neighbors, len(cells)) @ dense(task.reference, task.targets)

    def memory_bytes(self, shape: Shape) -> int:
        """Dense copies of both datasets on the genes in use; sklearn searches in blocks."""
        return 8 * 4 * (shape.cells + shape.spots) * (shape.visible + shape.targets)


def principal_vectors(cells: np.ndarray, spots: np.ndarray, n_pv: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal vectors of the reference (n_genes, n_pv) and their similarity to their partners in space."""
    import numpy as np

    def loadings(data: np.ndarray) -> np.ndarray:
        return np.linalg.eigh(data.T @ data)[1][:, ::-1][:, :n_pv]  # orthonormal, largest variance first

    source = loadings(cells)
    rotation, similarity, _ = np.linalg.svd(source.T @ loadings(spots))
    return source @ rotation, similarity


def weights(distances: np.ndarray, neighbors: np.ndarray, n_cells: int) -> csr_matrix:
    """Weights of the cells for every spot, (n_spots, n_cells), rows summing to 1.

    Of the neighbours, those at a cosine distance below 1 count: with K of them,
    ``w_k = (1 - d_k / sum d) / (K - 1)``. A spot without any keeps an empty row and is predicted as 0.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    near = distances < 1
    n_near = near.sum(axis=1, keepdims=True)
    total = np.where(near, distances, 0).sum(axis=1, keepdims=True)
    even = (n_near == 1) | (total == 0)
    w = (1 - distances / np.where(even, 1, total)) / np.where(even, 1, n_near - 1)
    w = np.where(even, 1 / np.maximum(n_near, 1), w)
    starts = np.arange(0, w.size + 1, w.shape[1])
    return csr_matrix((np.where(near, w, 0).ravel(), neighbors.ravel(), starts), shape=(len(w), n_cells))
