"""Control: values that know nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Task, register

if TYPE_CHECKING:
    import numpy as np


@register("random", family="control", paper="stbench control", version="1")
@dataclass(frozen=True)
class Random(Method):
    """Uniform random values, independent of everything: what chance scores.

    Not called ``random.py``: a script run from this folder would then find it in place of Python's own.
    """

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Values in [0, 1), (n_spots, n_targets), from ``ctx.seed`` alone."""
        import numpy as np

        return np.random.default_rng(ctx.seed).random((task.spatial.n_obs, len(task.targets)))
