"""SpaOTsc: unbalanced optimal transport between cells and spots on rank correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.errors import StbenchError
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register(
    "spaotsc", family="transport", paper="Cang and Nie 2020", doi="10.1038/s41467-020-15968-5", version="1"
)
@dataclass(frozen=True)
class SpaOTsc(Method):
    """Spatially optimal transporting of single cells (Cang and Nie 2020, Nature Communications 11, 2084).

    1. R = Spearman correlation of every cell with every spot across the visible genes.
    2. Cost ``C = exp(1 - R)^2``; a cell (spot) has mass in proportion to its sum of ``exp(R)`` over spots
       (cells).
    3. The plan G minimises ``<C, G> + eps sum G (log G - 1) + rho KL(G 1 | a) + rho KL(G' 1 | b)``.
    4. The value at a spot is the mean of the reference ``X``, weighted by the spot's column of G.

    R does not change when the values of a cell are rescaled, so that depth does not matter to the plan.

    Parameters
    ----------
    eps
        Weight of the entropy (published benchmarks, 1). At 1 the plan is smooth and the predictions stay
        close to the mean profile; that is a property of the published setting.
    rho
        Weight of the marginals (published benchmarks, 1).
    n_sweeps
        Updates of both potentials (authors' code, 50).

    Deviations
    ----------
    - Correlations from the ranks of each profile by one matrix product; the original also correlates cells
      with cells and spots with spots.
    - Scaling form of the sweeps without over-relaxation, which reaches the same plan.
    - The structure term (``alpha`` of the authors' code, 0 in the published benchmarks) is left out.
    - A plan that runs out of floating-point range is an error; the original returns it.
    """

    eps: float = 1.0
    rho: float = 1.0
    n_sweeps: int = 50

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np

        cells = dense(task.reference, task.visible)  # (n_cells, n_genes)
        spots = dense(task.spatial, task.visible)  # (n_spots, n_genes)
        similarity = spearman(cells, spots)
        mass = np.exp(similarity)
        total = mass.sum()
        plan = unbalanced_plan(
            mass.sum(axis=1) / total,
            mass.sum(axis=0) / total,
            np.exp(1 - similarity) ** 2,
            self.eps,
            self.rho,
            self.n_sweeps,
        )
        return (plan / plan.sum(axis=0)).T @ dense(task.reference, task.targets)

    def memory_bytes(self, shape: Shape) -> int:
        """Six matrices cells x spots and two dense copies of the genes in use."""
        genes = shape.visible + shape.targets
        return 8 * (6 * shape.cells * shape.spots + 2 * (shape.cells + shape.spots) * genes)


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman correlation of the rows of ``a`` with those of ``b``, (len(a), len(b)); 0 for a constant row.

    Ties share their average rank.
    """
    from scipy.stats import rankdata

    from stbench.toolbox.scale import zscore

    a, b = (zscore(rankdata(rows, axis=1).T) for rows in (a, b))  # (n_genes, n_rows)
    return a.T @ b / len(a)


def unbalanced_plan(
    a: np.ndarray, b: np.ndarray, cost: np.ndarray, eps: float, rho: float, n_sweeps: int
) -> np.ndarray:
    """Plan (n_cells, n_spots) of entropic unbalanced transport, as in step 3 of `SpaOTsc`.

    Raises `StbenchError` where ``eps`` is too small for the range of the costs.
    """
    import numpy as np

    kernel = np.exp(-cost / eps)
    power = rho / (rho + eps)
    u, v = np.ones_like(a), np.ones_like(b)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # checked below
        for _ in range(n_sweeps):
            u = (a / (kernel @ v)) ** power
            v = (b / (u @ kernel)) ** power
        plan = u[:, None] * kernel * v
    if not (np.isfinite(plan).all() and plan.any(axis=0).all()):
        raise StbenchError(f"The transport plan runs out of range at eps = {eps:g}. Set spaotsc.eps higher.")
    return plan
