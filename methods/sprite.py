"""SPRITE: predictions corrected by the errors of correlated genes, then smoothed over neighbouring spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Shape, Task, Wrapper, dense, register_wrapper

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

N_COMPONENTS = 5  # of the visible genes, for the similarity of spots (authors' code)
TOLERANCE = 1e-8  # of the propagation (authors' tutorial)


@register_wrapper("sprite", paper="Sun, Ma and Zou 2024", doi="10.1093/bioinformatics/btae253", version="1")
@dataclass(frozen=True)
class Sprite(Wrapper):
    """SPRITE around any method (Sun, Ma and Zou 2024, Bioinformatics 40, i521).

    1. *Reinforce.* The method inside predicts every visible gene from those of other folds, so that its
       errors are known. They spread over a graph of genes from visible genes to targets, and are added to the
       prediction. The graph has the positive Spearman correlations of the predicted maps, above the largest
       threshold that leaves every gene a neighbour.
    2. *Smooth.* The result spreads over a graph of neighbouring spots, weighted by the cosine similarity of
       their visible expression.

    Both steps iterate ``x <- (1 - alpha) x0 + alpha S x`` with the rows of the graph S summing to 1.

    Parameters
    ----------
    alpha
        Share that comes from neighbours, in both steps, below 1; 0 leaves the prediction as it is (authors'
        tutorial, 0.1).
    n_neighbors
        Nearest spots, without those that are far (authors' tutorial, 50).
    n_folds
        Folds of visible genes; the method inside is fitted once for each, and once more (authors' tutorial,
        10).

    Deviations
    ----------
    - The number of iterations follows from ``alpha``, such that what is left is below the tolerance; the
      original stops when values change less than that.
    - Genes whose prediction is constant have no neighbours, and do not set the threshold; in the original the
      threshold becomes 0.
    - A spot without errors in the visible genes gets no correction; the original divides by zero.
    - As in the original, the scale of the errors depends on how many targets are predicted together.
    """

    alpha: float = 0.1
    n_neighbors: int = 50
    n_folds: int = 10

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Corrected and smoothed values, (n_spots, n_targets)."""
        import numpy as np

        places = task.coordinates()
        known, truth = self.cross_fitted(task, ctx, self.n_folds)
        new = self.fitted(task, ctx)
        errors = spread_errors(np.hstack([known, new]), truth - known, self.alpha)
        graph = similar_neighbours(dense(task.spatial, task.visible), places, self.n_neighbors)
        return propagate(new + errors[:, known.shape[1] :], graph, self.alpha)

    def memory_bytes(self, shape: Shape) -> int:
        """That of the fits, the graphs of genes and of spots."""
        genes, edges = shape.visible + shape.targets, shape.spots * (self.n_neighbors + 1)
        return super().memory_bytes(shape) + 8 * (5 * genes**2 + 10 * edges)


def spread_errors(maps: np.ndarray, errors: np.ndarray, alpha: float) -> np.ndarray:
    """The errors of the leading (visible) genes, spread to all genes of ``maps``, (n_spots, n_genes).

    At each spot they are scaled to the mean absolute error of the visible genes there.
    """
    import numpy as np

    start = np.zeros(maps.shape)
    start[:, : errors.shape[1]] = errors
    found = propagate(start.T, gene_graph(maps), alpha).T
    size, wanted = np.abs(found).mean(axis=1), np.abs(errors).mean(axis=1)
    return found * (np.where(size > 0, wanted, 0) / np.where(size > 0, size, 1))[:, None]


def gene_graph(maps: np.ndarray) -> np.ndarray:
    """Weights of genes by the Spearman correlation of their maps, (n_genes, n_genes), rows summing to 1."""
    import numpy as np
    from scipy.stats import rankdata
    from sklearn.preprocessing import normalize

    from stbench.toolbox.scale import zscore

    ranks = zscore(rankdata(maps, axis=0))
    weights = np.maximum(ranks.T @ ranks / len(maps), 0)
    varies = ranks.any(axis=0)
    others = weights - np.diag(np.diag(weights))
    nearest = others.max(axis=0)[varies]
    weights[weights < nearest.min(initial=1)] = 0
    return normalize(weights, norm="l1")


def similar_neighbours(values: np.ndarray, places: np.ndarray, n_neighbors: int) -> csr_matrix:
    """Weights of neighbouring spots by their expression, (n_spots, n_spots), rows summing to 1."""
    import numpy as np
    from sklearn.preprocessing import normalize

    from stbench.toolbox.components import leading_components
    from stbench.toolbox.places import neighbourhoods
    from stbench.toolbox.scale import zscore

    z = zscore(values)
    _, axes = leading_components(z.T @ z, N_COMPONENTS)
    directions = normalize(z @ axes)
    graph = neighbourhoods(places, n_neighbors).tocoo()
    cosines = np.einsum("ed,ed->e", directions[graph.row], directions[graph.col])
    graph.data = np.where(graph.row == graph.col, 1, np.maximum(cosines, 0))
    return normalize(graph.tocsr(), norm="l1")


def propagate(start: np.ndarray, graph: np.ndarray | csr_matrix, alpha: float) -> np.ndarray:
    """The limit of ``x <- (1 - alpha) start + alpha graph x``, in the shape of ``start``."""
    import numpy as np

    values = start
    for _ in range(int(np.ceil(np.log(TOLERANCE) / np.log(alpha))) if alpha > 0 else 0):
        values = (1 - alpha) * start + alpha * (graph @ values)
    return values
