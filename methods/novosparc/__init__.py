"""novoSpaRc: cells mapped to spots by optimal transport that keeps neighbours together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, dense, register
from stbench.toolbox.nn import TORCH_BYTES

if TYPE_CHECKING:
    import numpy as np

ALPHAS = (0.5, 0.8, 1.0)
EPSILONS = (0.005, 0.05)
SKETCH = 2000  # spots of a large tissue


@register(
    "novosparc",
    family="transport",
    paper="Nitzan et al. 2019",
    doi="10.1038/s41586-019-1773-3",
    version="2",
    packages=("POT",),
    gpu=True,
    tuned=("alpha", "eps"),
)
@dataclass(frozen=True)
class NovoSpaRc(Method):
    """novoSpaRc (Nitzan et al. 2019, Nature 576, 132; Moriel et al. 2021, Nature Protocols 16, 4177).

    1. Cells of similar expression should be close in space: C1 and C2 are the hop distances in the graphs of
       nearest neighbours of cells (on their most variable genes) and of spots (on their coordinates).
    2. Cells should be similar to their spot: C is the Euclidean distance on the visible genes.
    3. Start from the uniform coupling G. Until G converges: ``t = -C1 G C2``, shifted to a minimum of 0;
       G = entropic transport plan of the cost ``(1 - alpha) t + alpha C`` with strength ``eps``.
    4. The value at a spot is the mean of the reference ``X``, weighted by the spot's column of G.

    Parameters
    ----------
    alpha
        Weight of C against the structure, at most 1; 1 needs no coordinates. None takes the best of `ALPHAS`
        (published benchmarks 0.5, tutorials 0.8 and 1), with ``eps``, by mean Pearson on validation genes.
    eps
        Strength of the entropy. None takes the best of `EPSILONS`: 0.005 of published benchmarks and
        tutorials, and a smoother one. The default of the package, 0.0005, underflows.
    n_neighbors
        Neighbours in both graphs, including the point itself (package, 5).
    n_graph_genes
        Genes of the graph of cells, by variance over mean in the reference (published benchmarks, 2000).
    max_cells
        Number of cells drawn from a larger reference (published benchmarks, 1000); time grows as ``n_cells
        n_spots (n_cells + n_spots)``.
    max_spots
        Number of spots, drawn from a larger tissue, on which the transport is solved; the other spots then
        get their weights from it, see `elsewhere.predict_elsewhere`. None: all spots. A run that would not
        fit in memory gets `SKETCH` (`within`).

    Deviations
    ----------
    - ``alpha`` and ``eps`` are tuned, in the same way on every dataset; in the original the user sets them.
    - Predictions are means of cells; the original takes sums, which are smaller by the number of spots.
    - Every transport plan starts from the one before it and is only as exact as the coupling needs by then,
      see `coupling.couple`. Predictions are within 1e-6 of those that cold starts reach, if these get all the
      updates that they need. The original stops after a thousand, which changes some predictions by 1e-3.
    - A plan that leaves the floating-point range is solved again in the log domain at the same ``eps``. The
      original would increase ``eps`` then, but does not detect it and returns zeros. The log domain is ten
      times slower; no cost up to 2 needs it at the values of `EPSILONS`.
    """

    alpha: float | None = None
    eps: float | None = None
    n_neighbors: int = 5
    n_graph_genes: int = 2000
    max_cells: int = 2000
    max_spots: int | None = None

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.tiles import part_of_reference, random_spots
        from stbench.toolbox.transport import on_device
        from stbench.toolbox.tuning import choose_parameters

        require_package("novosparc", "ot", "POT", "transport")
        from ot.backend import to_numpy

        from .coupling import couple, hop_distances, linear_cost
        from .elsewhere import predict_elsewhere

        task = part_of_reference(task, self.max_cells, ctx.seed)
        sample = random_spots(task, self.max_spots, ctx.seed)
        structure = []
        if self.alpha != 1:
            coordinates = sample.coordinates()
            profiles = dense(task.reference, graph_genes(task, self.n_graph_genes))
            hops = (hop_distances(points, self.n_neighbors) for points in (profiles, coordinates))
            structure = [on_device(distances, ctx.device) for distances in hops]

        def couplings(part: Task, settings: Sequence[tuple[float, float]]) -> Iterator[tuple[Any, Any]]:
            cells = dense(part.reference, part.visible)
            cost = on_device(linear_cost(cells, dense(part.spatial, part.visible)), ctx.device)
            for done, (alpha, eps) in enumerate(settings):
                ctx.progress(done, len(settings), alpha=alpha, eps=eps)
                yield couple(cost, structure, alpha, eps, ctx.log)

        def maps(part: Task, settings: Sequence[tuple[float, float]]) -> Iterator[np.ndarray]:
            values = dense(part.reference, part.targets)
            for coupling, _ in couplings(part, settings):
                yield len(coupling.T) * to_numpy(coupling).T @ values

        best = choose_parameters(self, {"alpha": ALPHAS, "eps": EPSILONS}, sample, ctx, maps)
        if sample is task:
            return next(maps(task, [best]))
        return predict_elsewhere(task, sample, next(couplings(sample, [best])), structure, best)

    def within(self, shape: Shape, memory: int) -> NovoSpaRc:
        """The transport on `SKETCH` spots."""
        return replace(self, max_spots=min(SKETCH, self.max_spots or SKETCH))

    def memory_bytes(self, shape: Shape) -> int:
        """Torch (POT imports it), hop distances, nine matrices n x spots and the genes in use twice."""
        n, spots = min(shape.cells, self.max_cells), min(shape.spots, self.max_spots or shape.spots)
        genes = shape.visible + shape.targets
        tables = 3 * (n**2 + spots**2) + 9 * n * spots + n * min(self.n_graph_genes, shape.reference_genes)
        return TORCH_BYTES + 8 * (tables + 2 * (n + spots) * genes + 2 * shape.spots * shape.targets)


def graph_genes(task: Task, n_genes: int) -> list[str]:
    """The ``n_genes`` genes of the reference with the largest variance over mean, sorted by name."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from sklearn.utils.sparsefuncs import mean_variance_axis

    order = np.argsort(task.reference.var_names)
    mean, variance = (found[order] for found in mean_variance_axis(csr_matrix(task.reference.X), axis=0))
    best = np.argsort(-variance / (mean + 1e-4), kind="stable")[:n_genes]
    return sorted(task.reference.var_names[order[best]])
