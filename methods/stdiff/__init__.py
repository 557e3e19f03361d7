"""stDiff: a diffusion model of cells that draws the hidden genes of a spot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stbench.methods import Context, Method, Shape, Task, register
from stbench.toolbox.nn import BYTES_PER_WEIGHT, TORCH_BYTES

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
    tuned=("updates",),
)
@dataclass(frozen=True)
class StDiff(Method):
    """Diffusion transformer that learns on the reference how the targets depend on the visible genes.

    A cell is a row of genes: ``log(1e4 c / total + 1)`` divided by its maximum, from -1 to 1. The network
    gets the visible genes of a batch of rows and their targets with noise, and predicts the noise. Its tokens
    are the rows, so that the cells of a batch attend to each other. At the spots it makes targets from noise
    step by step. The prediction is the mean of ``n_samples`` samples on the scale of ``X``. Coordinates are
    not used. The prediction of a spot depends on the other spots of its batch; batches follow the order of
    the spots and are as large as in training.

    The number of updates is the best of ``checks`` evenly spaced ones on the validation genes for a model
    that sees the train genes only, see `stbench.toolbox.nn.training.train_and_predict`.

    Parameters
    ----------
    width, batch
        Width of the network and rows of a batch. None takes the published pair for the number of genes:
        512 and 2048 below 512 genes, 1024 and 512 below 1024, else 2048 and 512.
    depth, heads
        Blocks, and attention heads of each (published: 6 and 16).
    timesteps
        Times of the cosine schedule (published: 1500).
    objective
        What the network predicts: the noise (``eps``, published) or the clean targets (``x0``).
    epochs
        Largest number of passes through the rows (published: 900).
    max_updates
        Limit of the number of updates from ``epochs``.
    lr
        Constant learning rate of AdamW (published, with all digits).
    aug_add
        The cells are doubled by a copy with this number added to every count (published: 10). 0: no copy.
    checks
        Number of predictions of the validation genes (18 in 900 epochs: every 50).
    sampling_steps, check_steps
        Steps of the sampler for the prediction (published: all 1500) and for a check.
    sampler
        ``ancestral`` (published) draws fresh noise in every step, ``ddim`` does not.
    n_samples
        Samples averaged (published: one).
    attend_batch
        Whether the rows of a batch attend to each other (published) or each is alone.

    Notes
    -----
    The preset ``cpu`` is a smaller variant with a higher learning rate. It predicts the clean targets: noise
    on more genes than the width of the network does not pass through it. With 248 hidden genes (pdac_a_st)
    ``eps`` reaches a correlation of -0.01 on the validation genes and ``x0`` 0.15; with 26
    (merfish_hypothalamus) both reach 0.23. It takes at most 6e12 floating-point operations at 2,000 cells,
    1,500 spots and 300 genes, and no more with more cells.

    Deviations from the published code ("original"):

    - A spot is scaled by the total and the maximum of its visible genes; the original uses all genes, also
      the hidden ones. Cells are scaled in the same way; training cuts targets to the visible maximum.
    - The original masks the hidden genes (their input is zero, and the mask is part of the loss). Here
      visible and hidden genes are separate inputs and only the hidden ones are an output. The function is the
      same: a constant input acts as a bias, and a masked output has neither loss nor use. The start is not:
      that bias starts at random in the original and at zero here.
    - Time 0, whose output is the prediction, is trained; the original draws from 1 on.
    - The number of epochs is chosen on validation genes; the original trains for all of them.
    - Samples are averaged on the scale of ``X``; the original takes one, as a fraction of the maximum.
    - Batches have nearly equal sizes, so that no spot is alone in a batch.
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

        from .model import StDiffLearner

        max_updates = self.updates(task.reference.n_obs, len(task.visible) + len(task.targets))
        return train_and_predict(
            lambda part: StDiffLearner(self, part, ctx),
            task,
            ctx,
            max_updates=max_updates,
            check_every=math.ceil(max_updates / self.checks),
        )

    def size(self, n_genes: int) -> tuple[int, int]:
        """Width of the network and rows of a batch for this number of visible genes and targets."""
        published = (512, 2048) if n_genes < 512 else (1024, 512) if n_genes < 1024 else (2048, 512)
        return self.width or published[0], self.batch or published[1]

    def updates(self, n_cells: int, n_genes: int) -> int:
        """Largest number of updates, from ``epochs`` and ``max_updates``."""
        rows = 2 * n_cells if self.aug_add else n_cells
        updates = self.epochs * math.ceil(rows / self.size(n_genes)[1])
        return updates if self.max_updates is None else min(updates, self.max_updates)

    def memory_bytes(self, shape: Shape) -> int:
        """Torch, rows of the cells in fp64 and fp32, weights in training, activations of one batch."""
        genes = shape.visible + shape.targets
        width, batch = self.size(genes)
        rows = 2 * shape.cells * genes * (3 * 8 + 4) + shape.spots * genes * 8 * self.n_samples
        weights = BYTES_PER_WEIGHT * (18 * self.depth * width**2 + 3 * genes * width)
        activations = 4 * batch * width * max(32 * self.depth, 12 * self.n_samples)
        return TORCH_BYTES + rows + weights + activations
