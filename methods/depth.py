"""Control: the mean of the reference times the depth of the spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register("depth", family="control", paper="stbench control", version="1")
@dataclass(frozen=True)
class Depth(Method):
    """Mean of each target in the reference times the relative depth of each spot.

    The depth of a spot is its sum over the visible genes, counts where there are counts, else ``X``, divided
    by the mean over spots. A method that does not beat this has learned how many molecules a spot holds, not
    where a gene is expressed.
    """

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Outer product of depth and mean profile, (n_spots, n_targets)."""
        import numpy as np

        values = task.spatial.layers.get("counts", task.spatial.X)
        depth = np.asarray(values.sum(axis=1), dtype=float).ravel()
        if depth.any():
            depth /= depth.mean()
        return np.outer(depth, dense(task.reference, task.targets).mean(axis=0))
