"""SpaOTsc: unbalanced optimal transport between cells and spots on rank correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stbench.errors import StbenchError, require_package
from stbench.methods import Context, Method, Shape, Task, dense, register
from stbench.toolbox.nn import TORCH_BYTES

if TYPE_CHECKING:
    import numpy as np


@register(
    "spaotsc",
    family="transport",
    paper="Cang and Nie 2020",
    doi="10.1038/s41467-020-15968-5",
    version="1",
    packages=("POT",),
    gpu=True,
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
        Weight of the entropy (published benchmarks, 1). At 1 predictions are close to the mean profile.
    rho
        Weight of the marginals (published benchmarks, 1).
    n_sweeps
        Updates of both potentials (authors' code, 50).

    Deviations
    ----------
    - Only cells are correlated with spots; the original also correlates cells with cells, spots with spots.
    - The updates are those of POT: the scaling form without over-relaxation, which reaches the same plan.
    - The structure term (``alpha`` of the authors' code, 0 in the published benchmarks) is left out.
    - A plan that leaves the floating-point range is an error; the original returns it.
    """

    eps: float = 1.0
    rho: float = 1.0
    n_sweeps: int = 50

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.transport import on_device

        require_package("spaotsc", "ot", "POT", "transport")
        from ot.backend import get_backend, to_numpy

        cells = dense(task.reference, task.visible)  # (n_cells, n_genes)
        spots = dense(task.spatial, task.visible)  # (n_spots, n_genes)
        similarity = on_device(spearman(cells, spots), ctx.device)
        exp = get_backend(similarity).exp
        mass = exp(similarity)
        a, b = mass.sum(axis=1) / mass.sum(), mass.sum(axis=0) / mass.sum()
        plan = unbalanced_plan(a, b, exp(1 - similarity) ** 2, self.eps, self.rho, self.n_sweeps)
        return to_numpy(plan / plan.sum(axis=0)).T @ dense(task.reference, task.targets)

    def memory_bytes(self, shape: Shape) -> int:
        """Torch (POT imports it), seven matrices cells x spots, two dense copies of the genes in use."""
        genes = shape.visible + shape.targets
        matrices = 7 * shape.cells * shape.spots + 2 * (shape.cells + shape.spots) * genes
        return TORCH_BYTES + 8 * matrices


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman correlation (len(a), len(b)) of rows, by average ranks; 0 for a constant row."""
    from scipy.stats import rankdata

    from stbench.toolbox.scale import zscore

    a, b = (zscore(rankdata(rows, axis=1).T) for rows in (a, b))  # (n_genes, n_rows)
    return a.T @ b / len(a)


def unbalanced_plan(a: Any, b: Any, cost: Any, eps: float, rho: float, n_sweeps: int) -> Any:
    """Plan (n_cells, n_spots) of entropic unbalanced transport, as in step 3 of `SpaOTsc`.

    Inputs are numpy arrays, or torch tensors on one device. Raises `StbenchError` if ``eps`` is too small.
    """
    from ot.unbalanced import sinkhorn_unbalanced

    from stbench.toolbox.transport import numerical_errors

    try:
        with numerical_errors():
            # the entropy of the authors' code; the default of POT is the divergence from a b'
            return sinkhorn_unbalanced(
                a, b, cost, eps, rho, reg_type="entropy", numItermax=n_sweeps, stopThr=0
            )
    except UserWarning as warning:
        raise StbenchError(
            f"The transport plan leaves the floating-point range at eps = {eps:g}. Set spaotsc.eps higher."
        ) from warning
