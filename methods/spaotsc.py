"""SpaOTsc: unbalanced optimal transport between cells and spots on rank correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stbench.errors import StbenchError, require_package
from stbench.methods import Context, Method, Shape, Task, dense, register
from stbench.toolbox.nn import TORCH_BYTES

if TYPE_CHECKING:
    import numpy as np

EPSILONS = (1.0, 0.3, 3.0)
RHOS = (1.0, 100.0)
SKETCH = 2000  # spots of a large tissue


@register(
    "spaotsc",
    family="transport",
    paper="Cang and Nie 2020",
    doi="10.1038/s41467-020-15968-5",
    version="2",
    packages=("POT",),
    gpu=True,
    tuned=("eps", "rho"),
)
@dataclass(frozen=True)
class SpaOTsc(Method):
    """Spatially optimal transporting of single cells (Cang and Nie 2020, Nature Communications 11, 2084).

    1. R = Spearman correlation of every cell with every spot across the visible genes.
    2. Cost ``C = exp(1 - R)^2``. The mass of a cell (spot) is its share of the sum of ``exp(R)``.
    3. The plan G minimises ``<C, G> + eps sum G (log G - 1) + rho KL(G 1 | a) + rho KL(G' 1 | b)``.
    4. The value at a spot is the mean of the reference ``X``, weighted by the spot's column of G.

    R does not change when the values of a cell are rescaled, so that the plan does not depend on depth.

    Parameters
    ----------
    eps
        Weight of the entropy. None takes the best of `EPSILONS`, with ``rho``, by mean Pearson on validation
        genes: 1 of published benchmarks and of the authors' code, and a third and three times as much.
    rho
        Weight of the marginals. None takes the best of `RHOS`: 1 of published benchmarks, and 100 of the
        authors' code.
    n_sweeps
        Updates of both potentials (authors' code, 50).
    max_cells
        Number of cells drawn from a larger reference. None: all cells.
    max_spots
        Number of spots, drawn from a larger tissue, on which the plan is solved; all spots then get their
        weights from its potentials. None: all spots. A run that would not fit in memory gets `SKETCH` spots
        and, if it needs, fewer cells (`within`).

    Deviations
    ----------
    - ``eps`` and ``rho`` are tuned, in the same way on every dataset; in the original the user sets them.
    - Only cells are correlated with spots; the original also correlates cells with cells, spots with spots.
    - The updates are those of POT: the scaling form without over-relaxation, which reaches the same plan.
    - The structure term (``alpha`` of the authors' code, 0 in the published benchmarks) is left out.
    - A plan that leaves the floating-point range is an error; the original returns it.
    """

    eps: float | None = None
    rho: float | None = None
    n_sweeps: int = 50
    max_cells: int | None = None
    max_spots: int | None = None

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.tiles import part_of_reference, random_spots, row_blocks
        from stbench.toolbox.transport import column_weights, on_device
        from stbench.toolbox.tuning import choose_parameters

        require_package("spaotsc", "ot", "POT", "transport")
        from ot.backend import get_backend, to_numpy

        task = part_of_reference(task, self.max_cells, ctx.seed)
        sample = random_spots(task, self.max_spots, ctx.seed)

        def correlations(part: Task, spots: np.ndarray) -> Any:
            tables = part.reference, part.spatial[spots]
            return on_device(spearman(*(dense(table, part.visible) for table in tables)), ctx.device)

        def solved(part: Task, settings: Sequence[tuple[float, float]]) -> Iterator[tuple[Any, Any]]:
            """Potentials of the cells for each setting, and the cost."""
            similarity = correlations(part, np.arange(part.spatial.n_obs))
            mass = get_backend(similarity).exp(similarity)
            a, b = mass.sum(axis=1) / mass.sum(), mass.sum(axis=0) / mass.sum()
            costs = cost(similarity)
            for done, (eps, rho) in enumerate(settings):
                ctx.progress(done, len(settings), eps=eps, rho=rho)
                yield unbalanced_plan(a, b, costs, eps, rho, self.n_sweeps)[1], costs

        def maps(part: Task, settings: Sequence[tuple[float, float]]) -> Iterator[np.ndarray]:
            values = dense(part.reference, part.targets)
            for (eps, _), (potentials, costs) in zip(settings, solved(part, settings), strict=True):
                yield to_numpy(column_weights(potentials, costs, eps)).T @ values

        best = choose_parameters(self, {"eps": EPSILONS, "rho": RHOS}, sample, ctx, maps)
        if sample is task:
            return next(maps(task, [best]))
        potentials, _ = next(solved(sample, [best]))
        values = dense(task.reference, task.targets)
        weights = (
            to_numpy(column_weights(potentials, cost(correlations(task, block)), best[0]))
            for block in row_blocks(task.spatial.n_obs)
        )
        return np.concatenate([block.T @ values for block in weights])

    def within(self, shape: Shape, memory: int) -> SpaOTsc:
        """The plan on `SKETCH` spots, and a half of the cells, a quarter and so on where it needs that."""
        scaled = replace(self, max_spots=min(SKETCH, self.max_spots or SKETCH))
        n_cells = min(shape.cells, self.max_cells or shape.cells)
        while scaled.memory_bytes(shape) > memory and n_cells > SKETCH:
            n_cells //= 2
            scaled = replace(scaled, max_cells=n_cells)
        return scaled

    def memory_bytes(self, shape: Shape) -> int:
        """Torch (POT imports it), nine matrices cells x spots, blocks of spots, the genes in use."""
        from stbench.toolbox.tiles import BLOCK

        cells = min(shape.cells, self.max_cells or shape.cells)
        spots = min(shape.spots, self.max_spots or shape.spots)
        genes = shape.visible + shape.targets
        matrices = 9 * cells * spots + 4 * cells * BLOCK + 3 * (cells + spots) * genes
        return TORCH_BYTES + 8 * (matrices + 2 * shape.spots * shape.targets)


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman correlation (len(a), len(b)) of rows, by average ranks; 0 for a constant row."""
    from scipy.stats import rankdata

    from stbench.toolbox.scale import zscore

    a, b = (zscore(rankdata(rows, axis=1).T) for rows in (a, b))  # (n_genes, n_rows)
    return a.T @ b / len(a)


def cost(similarity: Any) -> Any:
    """Cost of mapping a cell to a spot, from their correlation: ``exp(1 - R)^2``."""
    from ot.backend import get_backend

    return get_backend(similarity).exp(1 - similarity) ** 2


def unbalanced_plan(a: Any, b: Any, cost: Any, eps: float, rho: float, n_sweeps: int) -> tuple[Any, Any]:
    """Plan (n_cells, n_spots) of step 3 of `SpaOTsc`, and the potentials of the cells (n_cells,).

    Inputs are numpy arrays, or torch tensors on one device. Raises `StbenchError` if ``eps`` is too small.
    """
    from ot.unbalanced import sinkhorn_unbalanced

    from stbench.toolbox.transport import numerical_errors

    try:
        with numerical_errors():
            # the entropy of the authors' code; the default of POT is the divergence from a b'
            options = {"reg_type": "entropy", "numItermax": n_sweeps, "stopThr": 0, "log": True}
            plan, found = sinkhorn_unbalanced(a, b, cost, eps, rho, **options)
    except UserWarning as warning:
        raise StbenchError(
            f"The transport plan leaves the floating-point range at eps = {eps:g}. Set spaotsc.eps higher."
        ) from warning
    return plan, found["logu"]
