"""Controls: random values, the mean of the reference, and the mean times the depth of the spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register("random", family="control", paper="stbench control", version="1")
@dataclass(frozen=True)
class Random(Method):
    """Uniform random values in [0, 1), independent of the data: the score of chance."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Values (n_spots, n_targets) that depend on ``ctx.seed`` alone."""
        import numpy as np

        return np.random.default_rng(ctx.seed).random((task.spatial.n_obs, len(task.targets)))


@register("mean", family="control", paper="stbench control", version="1")
@dataclass(frozen=True)
class Mean(Method):
    """Mean of each target over the cells of the reference, at every spot: no spatial information.

    Correlations are 0 by definition; ``js`` and ``ssim`` show how much the level of a gene alone scores.
    """

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """The mean profile at every spot, (n_spots, n_targets)."""
        import numpy as np

        profile = dense(task.reference, task.targets).mean(axis=0)
        return np.tile(profile, (task.spatial.n_obs, 1))


@register("depth", family="control", paper="stbench control", version="1")
@dataclass(frozen=True)
class Depth(Method):
    """Mean of each target in the reference times the relative depth of each spot.

    The depth is the sum over the visible genes (counts, else ``X``), divided by its mean over spots. A method
    that is not better has learned the number of molecules in a spot, not where a gene is expressed.
    """

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Outer product of depth and mean profile, (n_spots, n_targets)."""
        import numpy as np

        values = task.spatial.layers.get("counts", task.spatial.X)
        depth = np.asarray(values.sum(axis=1), dtype=float).ravel()
        if depth.any():
            depth /= depth.mean()
        return np.outer(depth, dense(task.reference, task.targets).mean(axis=0))
