"""Baseline: ridge regression from the profile of a gene over cells to its map over spots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np

ALPHAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@register(
    "ridge_genes",
    family="baseline",
    paper="Saunders et al. 1998 (dual ridge)",
    version="1",
    tuned=("alpha",),
)
@dataclass(frozen=True)
class RidgeGenes(Method):
    """Linear regression whose samples are genes, from profiles over cells to maps over spots.

    The profile of a gene is its z-scored expression over the cells, its map the z-scored expression over the
    spots. The regression has an intercept, the mean map of the visible genes. Its dual form needs only
    gene x gene matrices (K: products of centred profiles):

        map(target) = mean map + (maps - mean map) (K + alpha I)^-1 k(target)

    Without the intercept this is exactly `ridge` (cells as samples) with the same alpha: both are
    ``maps (R + alpha I)^-1 r(target)`` with R the correlations of the genes in the reference.

    Parameters
    ----------
    alpha
        Penalty, in units of a gene's variance; None: the best of `ALPHAS` on the validation genes.
    """

    alpha: float | None = None

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Maps of the regression on the scale of ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.scale import from_zscores
        from stbench.toolbox.tuning import choose

        alpha = self.alpha
        if alpha is None:
            alpha = choose(task, ALPHAS, regress)
            ctx.chosen(alpha=alpha)
        return from_zscores(task, regress(task, (alpha,))[0])


def regress(task: Task, alphas: Sequence[float]) -> list[np.ndarray]:
    """Standardised maps of the targets, one array (n_spots, n_targets) per alpha."""
    import numpy as np

    from stbench.toolbox.scale import zscore, zscored

    profiles, maps = (side.T for side in zscored(task))  # (n_genes, n_cells), (n_genes, n_spots)
    targets = zscore(dense(task.reference, task.targets)).T  # (n_targets, n_cells)
    mean_profile, mean_map = profiles.mean(axis=0), maps.mean(axis=0)
    profiles, targets = profiles - mean_profile, targets - mean_profile

    n_cells = profiles.shape[1]
    variances, axes = np.linalg.eigh(profiles @ profiles.T / n_cells)  # one decomposition for all alphas
    scores, loads = targets @ (profiles.T @ axes) / n_cells, axes.T @ (maps - mean_map)
    return [(mean_map + scores @ (loads / (variances + alpha)[:, None])).T for alpha in alphas]
