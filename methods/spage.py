"""SpaGE: cells and spots aligned by principal vectors, then weighted nearest cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix


N_PV = (50, 20)
N_NEIGHBORS = (50, 15, 150)
TUNING_SPOTS = 5000


@register(
    "spage",
    family="alignment",
    paper="Abdelaal et al. 2020",
    doi="10.1093/nar/gkaa740",
    version="2",
    tuned=("n_pv", "n_neighbors"),
)
@dataclass(frozen=True)
class SpaGE(Method):
    """Spatial Gene Enhancement (Abdelaal et al. 2020, Nucleic Acids Research 48, e107).

    1. z-score each visible gene in each dataset; PCA of the cells and of the spots.
    2. Principal vectors are the rotations of both sets of loadings that match best. Cells and spots are
       projected on those of the reference with a cosine similarity to their partner above ``min_similarity``.
    3. The value at a spot is the weighted mean of the reference ``X`` over its nearest cells (cosine).

    Parameters
    ----------
    n_pv
        Principal components per dataset, at most half the number of visible genes (the rule of the published
        benchmarks, some of which have a limit of 100). None takes the best of `N_PV`, with ``n_neighbors``,
        by mean Pearson on the validation genes of at most `TUNING_SPOTS` spots: 50 of the paper for large
        panels, and fewer.
    n_neighbors
        Nearest cells, at most the number of cells. None takes the best of `N_NEIGHBORS`: 50 of the authors'
        code, and about a third and three times as many.
    min_similarity
        Smallest cosine similarity of a pair of principal vectors that is kept (authors' code, 0.3).

    Deviations
    ----------
    - ``n_pv`` and ``n_neighbors`` are tuned, in the same way on every dataset; in the original the user sets
      them.
    - PCA by the eigenvectors of the gene correlations, never randomised, so that it needs no seed.
    - Genes that are constant in one dataset are left out; the original fails on them.
    - With no pair of vectors above ``min_similarity`` the best one is kept and logged; the original fails.
    - A single neighbour, or neighbours all at distance 0, get equal weights; the original gives NaN.
    - One sparse matrix product predicts all spots; the original loops over the spots.
    """

    n_pv: int | None = None
    n_neighbors: int | None = None
    min_similarity: float = 0.3

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.tiles import random_spots
        from stbench.toolbox.tuning import choose_parameters

        def maps(part: Task, settings: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
            values = dense(part.reference, part.targets)
            for done, (n_pv, n_neighbors) in enumerate(settings):
                ctx.progress(done, len(settings), n_pv=n_pv, n_neighbors=n_neighbors)
                yield self.weights(part, ctx, n_pv, n_neighbors) @ values

        some = random_spots(task, TUNING_SPOTS, ctx.seed)
        best = choose_parameters(self, {"n_pv": N_PV, "n_neighbors": N_NEIGHBORS}, some, ctx, maps)
        return next(maps(task, [best]))

    def weights(self, task: Task, ctx: Context, n_pv: int, n_neighbors: int) -> csr_matrix:
        """Weights of the cells for every spot, (n_spots, n_cells)."""
        import numpy as np

        from stbench.toolbox.neighbours import cosine_weights
        from stbench.toolbox.scale import zscored

        cells, spots = zscored(task)  # (n_cells, n_genes), (n_spots, n_genes)

        # centred data have one dimension less than observations
        n_pv = max(1, min(n_pv, cells.shape[1] // 2, len(cells) - 1, len(spots) - 1))
        vectors, similarity = principal_vectors(cells, spots, n_pv)
        n_kept = int(np.sum(similarity > self.min_similarity))
        if n_kept == 0:
            ctx.log.warning("no similarity is above %g; the best vector is kept", self.min_similarity)
        vectors = vectors[:, : max(n_kept, 1)]
        return cosine_weights(cells @ vectors, spots @ vectors, n_neighbors)


def principal_vectors(cells: np.ndarray, spots: np.ndarray, n_pv: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal vectors of the reference (n_genes, n_pv) and their similarity to their partners in space."""
    import numpy as np

    from stbench.toolbox.components import leading_components

    (_, source), (_, target) = (leading_components(side.T @ side, n_pv) for side in (cells, spots))
    rotation, similarity, _ = np.linalg.svd(source.T @ target)
    return source @ rotation, similarity
