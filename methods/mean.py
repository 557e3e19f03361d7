"""Control: the mean of the reference, the same at every spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register("mean", family="control", paper="stbench control", version="1")
@dataclass(frozen=True)
class Mean(Method):
    """Mean of each target over the cells of the reference, at every spot: no spatial information at all.

    Correlations are 0 by definition; ``js`` and ``ssim`` show what the level of a gene alone is worth.
    """

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """The mean profile repeated for every spot, (n_spots, n_targets)."""
        import numpy as np

        profile = dense(task.reference, task.targets).mean(axis=0)
        return np.tile(profile, (task.spatial.n_obs, 1))
