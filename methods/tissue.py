"""TISSUE: prediction intervals from how much a prediction differs between neighbouring spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Prediction, Shape, Task, Wrapper, register_wrapper

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

MIN_SCORES = 100  # of a group, else those of all groups count (authors' code)


@register_wrapper("tissue", paper="Sun et al. 2024", doi="10.1038/s41592-024-02184-y", version="1")
@dataclass(frozen=True)
class Tissue(Wrapper):
    """TISSUE around any method (Sun et al. 2024, Nature Methods 21, 444): its values, with intervals.

    1. The method inside predicts every visible gene from those of other folds.
    2. The cell-centric variability of a prediction at a spot is the root mean square of its differences to
       the neighbouring spots, weighted by ``exp(cosine)`` of the predicted profiles of both spots. The spread
       is 1 + variability.
    3. The score of a visible gene at a spot is its absolute error over its spread. Predictions are grouped by
       k-means, first genes, then spots within each group of genes. The half width of an interval is the
       spread times the quantile of the scores of its group, with the finite-sample correction of split
       conformal prediction.

    Parameters
    ----------
    n_neighbors
        Nearest spots, without those that are far (authors' tutorial, 15).
    gene_groups, spot_groups
        Numbers of groups (authors' tutorial, 4 and 2).
    n_folds
        Folds of visible genes; the method inside is fitted once for each, and once more (authors' tutorial,
        10).
    level
        Nominal level of the intervals.

    Deviations
    ----------
    - Intervals do not go below 0, which the original allows: expression is not negative.
    - The original also corrects downstream analyses (multiple imputation, filtered spots); here are only the
      intervals, and the values are those of the method inside.
    - A group with fewer different members than parts to divide it into has fewer parts.
    """

    n_neighbors: int = 15
    gene_groups: int = 4
    spot_groups: int = 2
    n_folds: int = 10
    level: float = 0.9

    def predict(self, task: Task, ctx: Context) -> Prediction:
        """The values of the method inside with intervals, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.places import neighbourhoods

        graph = neighbourhoods(task.coordinates(), self.n_neighbors)
        known, truth = self.cross_fitted(task, ctx, self.n_folds)
        new = self.fitted(task, ctx)
        maps = np.hstack([known, new])
        spread = 1 + variability(maps, graph)
        groups = grouped(maps, self.gene_groups, self.spot_groups, ctx.seed)
        n_known = known.shape[1]
        scores = np.abs(truth - known) / spread[:, :n_known]
        width = spread[:, n_known:] * quantiles(scores, groups[:, :n_known], groups[:, n_known:], self.level)
        lower = np.maximum(new - width, 0)
        return Prediction(new, lower, np.maximum(new + width, lower), self.level)

    def memory_bytes(self, shape: Shape) -> int:
        """That of the fits, and the edges of the graph."""
        return super().memory_bytes(shape) + 8 * 10 * shape.spots * (self.n_neighbors + 1)


def variability(maps: np.ndarray, graph: csr_matrix) -> np.ndarray:
    """Cell-centric variability of predicted maps, (n_spots, n_genes), over the neighbours in ``graph``."""
    import numpy as np
    from sklearn.preprocessing import normalize

    directions, edges = normalize(maps), graph.tocoo()
    edges.data = np.exp(np.einsum("eg,eg->e", directions[edges.row], directions[edges.col]))
    weights = normalize(edges.tocsr(), norm="l1")
    maps = maps - maps.mean(axis=0)  # squares of a large offset would lose the small differences
    squares = weights @ maps**2 - 2 * maps * (weights @ maps) + maps**2
    return np.sqrt(np.maximum(squares, 0))


def grouped(maps: np.ndarray, gene_groups: int, spot_groups: int, seed: int) -> np.ndarray:
    """The group of every predicted value, (n_spots, n_genes): by its gene, then by its spot."""
    import numpy as np

    found = np.empty(maps.shape, dtype=int)
    of_gene = clusters(maps.T, gene_groups, seed)
    for group in range(gene_groups):
        genes = of_gene == group
        if genes.any():
            found[:, genes] = group * spot_groups + clusters(maps[:, genes], spot_groups, seed)[:, None]
    return found


def clusters(rows: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """The cluster of every row by k-means of its standardised columns, (n_rows,)."""
    import numpy as np
    from sklearn.cluster import KMeans

    from stbench.toolbox.scale import zscore

    z = zscore(rows)
    n_clusters = min(n_clusters, len(np.unique(z, axis=0)))
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(z)


def quantiles(scores: np.ndarray, known: np.ndarray, new: np.ndarray, level: float) -> np.ndarray:
    """The quantile of the scores in the group of every new value, in the shape of ``new``.

    ``known`` are the groups of the scores. Scores of 0 do not count, as in the original; groups with few
    scores take those of all.
    """
    import numpy as np

    found = np.empty(new.shape)
    everything = scores[scores > 0]
    for group in np.unique(new):
        own = scores[(known == group) & (scores > 0)]
        own = own if len(own) >= MIN_SCORES else everything
        share = min(np.ceil((len(own) + 1) * level) / max(len(own), 1), 1)
        found[new == group] = np.quantile(own, share) if len(own) else 0
    return found
