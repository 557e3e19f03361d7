"""Baseline: ridge regression from the visible genes to a target, fitted on cells and applied to spots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np

ALPHAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@register(
    "ridge",
    family="baseline",
    paper="Hoerl and Kennard 1970",
    doi="10.1080/00401706.1970.10488634",
    version="1",
    tuned=("alpha", "slope"),
)
@dataclass(frozen=True)
class Ridge(Method):
    """Linear regression of each target on the visible genes, fitted in the reference and applied in space.

    Every gene is z-scored within its own dataset, which removes most of the platform effect:

        W = (Z' Z / n_cells + alpha I)^-1 Z' z_target / n_cells,    map = Z_space W

    `stbench.toolbox.scale.from_zscores` puts the map on the scale of ``X``. Spots are smoother than cells, so
    the best ``alpha`` is far above that of cross-validation in the reference: it is chosen on the validation
    genes. A large penalty flattens the maps. One factor, at least 1, corrects this: the least-squares slope
    of the z-scored truth of the validation genes on their maps.

    Parameters
    ----------
    alpha
        Penalty per cell, in units of a gene's variance; None: the best of `ALPHAS` on the validation genes.
    """

    alpha: float | None = None

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Maps of the regression on the scale of ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.scale import from_zscores, zscore
        from stbench.toolbox.tuning import choose

        alpha = self.alpha
        if alpha is None:
            alpha = choose(task, ALPHAS, regress)
            ctx.chosen(alpha=alpha)
        inner, truth = task.validation()
        flat = regress(inner, (alpha,))[0]
        slope = (zscore(truth) * flat).sum() / max((flat**2).sum(), 1e-12)
        slope = max(1.0, float(slope))
        ctx.chosen(slope=slope)
        return from_zscores(task, slope * regress(task, (alpha,))[0])


def regress(task: Task, alphas: Sequence[float]) -> list[np.ndarray]:
    """Standardised maps of the targets, one array (n_spots, n_targets) per alpha."""
    import numpy as np

    from stbench.toolbox.scale import zscore, zscored

    cells, spots = zscored(task)  # (n_cells, n_genes), (n_spots, n_genes)
    cross = cells.T @ zscore(dense(task.reference, task.targets)) / len(cells)  # (n_genes, n_targets)
    # one eigendecomposition serves all alphas
    variances, axes = np.linalg.eigh(cells.T @ cells / len(cells))
    scores, loads = spots @ axes, axes.T @ cross
    return [scores @ (loads / (variances + alpha)[:, None]) for alpha in alphas]
