"""stDiff: a diffusion model of cells that fills in the genes a spot lacks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stbench.methods import Context, Method, Shape, Task, register

if TYPE_CHECKING:
    import numpy as np


@register(
    "stdiff",
    family="generative",
    paper="Li et al. 2024",
    doi="10.1093/bib/bbae171",
    version="1",
    packages=("torch",),
    gpu=True,
)
@dataclass(frozen=True)
class StDiff(Method):
    """Diffusion transformer that learns in the reference how the targets depend on the visible genes.

    A cell is a row of genes: ``log(1e4 c / total + 1)`` over its maximum, from -1 to 1. The network gets the
    visible genes of the rows of a batch and the targets with noise on them, and predicts the noise; its
    tokens are the rows, so that the cells of a batch attend to each other. Applied to the spots, it turns
    noise into targets step by step. The answer is the mean of ``n_samples`` samples, taken back to
    the scale of ``X``. Coordinates are not used. The prediction of a spot depends on which spots share its
    batch: they go in their order, in batches as large as in training.

    The number of updates is the one of ``checks`` evenly spaced ones at which a model that sees the train
    genes only predicts the validation genes best; the model that answers is then trained anew with both.

    Parameters
    ----------
    width, batch
        Width of the network and rows of a batch; None takes the published pair for the number of genes:
        512 and 2048 below 512 genes, 1024 and 512 below 1024, 2048 and 512 above.
    depth, heads
        Blocks, and attention heads of each (published: 6 and 16).
    timesteps
        Times of the cosine schedule (published: 1500).
    objective
        What the network predicts: the noise (``eps``, published) or the clean targets (``x0``).
    epochs
        Most passes through the rows (published: 900).
    max_updates
        Most updates of the weights, where the epochs would bring more.
    lr
        Constant learning rate of AdamW (published, with all its digits).
    aug_add
        The cells are doubled: a copy has this number added to every count (published: 10). 0 for no copy.
    checks
        How often the validation genes are predicted (18 of 900 epochs: every 50).
    sampling_steps, check_steps
        Steps of the sampler for the answer (published: all 1500) and for a check.
    sampler
        ``ancestral`` (published) draws fresh noise in every step, ``ddim`` none.
    n_samples
        Samples averaged (published: one).
    attend_batch
        Whether the rows of a batch attend to each other (published) or each is alone.

    Notes
    -----
    ``cpu`` is a smaller variant: width 128 of 512, 3 blocks of 6, 4 heads of 16, batches of 128 with a higher
    rate of 1e-3, at most 1,000 updates, 10 checks, 10 steps of the sampler. It predicts the clean targets:
    noise on more genes than the network is wide does not pass through it. With 248 hidden genes (pdac_a_st)
    ``eps`` stays at a correlation of -0.01 on the validation genes and ``x0`` reaches 0.15; with 26
    (merfish_hypothalamus) both reach 0.23. At most 6e12 floating-point operations at 2,000 cells, 1,500 spots
    and 300 genes, and no more with more cells.

    Deviations from the published code:

    - A spot is scaled by the total and the maximum of its visible genes; upstream uses all genes, hidden ones
      included. Cells are scaled alike, and targets above the visible maximum are cut to it in training.
    - Upstream masks the hidden genes (they enter as zero, and their mask is part of the loss). Here visible
      and hidden genes are separate inputs and only the hidden ones are an output, which is the same function:
      an input that is constant acts as a bias, and a masked output has neither loss nor use.
    - Time 0, whose output is the answer, is trained; upstream draws from 1 on.
    - The number of epochs is chosen on validation genes; upstream trains for all of them.
    - Samples are averaged on the scale of ``X``; upstream takes one, as a fraction of the maximum.
    - Batches have nearly one size, so that no spot is left to a batch of its own.
    - Intensities enter with their logarithm undone.
    """

    width: int | None = None
    batch: int | None = None
    depth: int = 6
    heads: int = 16
    timesteps: int = 1500
    objective: Literal["eps", "x0"] = "eps"
    epochs: int = 900
    max_updates: int | None = None
    lr: float = 1.6046744893538737e-4
    aug_add: float = 10.0
    checks: int = 18
    sampling_steps: int = 1500
    check_steps: int = 50
    sampler: Literal["ancestral", "ddim"] = "ancestral"
    n_samples: int = 8
    attend_batch: bool = True

    presets: ClassVar = {
        "cpu": {
            "width": 128,
            "batch": 128,
            "depth": 3,
            "heads": 4,
            "objective": "x0",
            "max_updates": 1000,
            "lr": 1e-3,
            "checks": 10,
            "sampling_steps": 10,
            "check_steps": 10,
        },
        "paper": {},
    }

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Mean of the samples on the scale of ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.nn.training import train_and_predict

        from .learner import StDiffLearner

        max_updates = self.updates(task.reference.n_obs, len(task.visible) + len(task.targets))
        return train_and_predict(
            lambda part: StDiffLearner(self, part, ctx),
            task,
            ctx,
            max_updates=max_updates,
            check_every=math.ceil(max_updates / self.checks),
        )

    def size(self, n_genes: int) -> tuple[int, int]:
        """Width of the network and rows of a batch for so many visible genes and targets."""
        published = (512, 2048) if n_genes < 512 else (1024, 512) if n_genes < 1024 else (2048, 512)
        return self.width or published[0], self.batch or published[1]

    def updates(self, n_cells: int, n_genes: int) -> int:
        """Most updates of the weights: ``epochs``, unless ``max_updates`` is less."""
        rows = 2 * n_cells if self.aug_add else n_cells
        updates = self.epochs * math.ceil(rows / self.size(n_genes)[1])
        return updates if self.max_updates is None else min(updates, self.max_updates)

    def memory_bytes(self, shape: Shape) -> int:
        """Torch, rows of the cells in fp64 and fp32, weights in training, activations of one batch."""
        from stbench.toolbox.nn import BYTES_PER_WEIGHT, TORCH_BYTES

        genes = shape.visible + shape.targets
        width, batch = self.size(genes)
        rows = 2 * shape.cells * genes * (3 * 8 + 4) + shape.spots * genes * 8 * self.n_samples
        weights = BYTES_PER_WEIGHT * (18 * self.depth * width**2 + 3 * genes * width)
        activations = 4 * batch * width * max(32 * self.depth, 12 * self.n_samples)
        return TORCH_BYTES + rows + weights + activations
