"""Means over neighbouring spots after any method, with the size and the share that suit the visible genes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from stbench.methods import Context, Task, Wrapper, register_wrapper

if TYPE_CHECKING:
    import numpy as np

SIZES = (6, 30)  # of the neighbourhoods, as in causalged-kernel
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@register_wrapper("smooth", paper="this project", version="1", tuned=("size", "share"))
@dataclass(frozen=True)
class Smooth(Wrapper):
    """The values of any method, mixed with their mean over the nearest other spots.

    The size of the neighbourhood and the share of the mean are those with the highest mean Pearson
    correlation on the visible genes, each predicted by the method inside from those of other folds. A share
    of 0, which changes nothing, is among them. It is the smoothing of `causalged-kernel`, around any method.

    Parameters
    ----------
    n_folds
        Folds of visible genes; the method inside is fitted once for each, and once more.

    Deviations
    ----------
    None: it is an extension by this project.
    """

    n_folds: int = 5

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Smoothed values, (n_spots, n_targets)."""
        from stbench.toolbox.smoothing import neighbour_means
        from stbench.toolbox.tuning import mean_pearson

        places = task.coordinates()
        known, truth = self.cross_fitted(task, ctx, self.n_folds)
        means = {size: neighbour_means(places, size) for size in SIZES}

        def smoothed(maps: np.ndarray, size: int, share: float) -> np.ndarray:
            return (1 - share) * maps + share * (means[size] @ maps)

        size, share = max(
            product(SIZES, SHARES), key=lambda setting: mean_pearson(truth, smoothed(known, *setting))
        )
        ctx.chosen(size=size, share=share)
        return smoothed(self.fitted(task, ctx), size, share)
