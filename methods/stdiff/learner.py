"""Training on the cells of the reference, and sampling of the spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stbench.methods import Context, Task
from stbench.toolbox.nn.diffusion import Diffusion
from stbench.toolbox.nn.learner import (
    DiffusionLearner,
    Optimisation,
    autocast,
    build,
    even_batches,
    generator,
)

from .data import on_scale_of_x, spot_rows, training_rows
from .model import Denoiser

if TYPE_CHECKING:
    from . import StDiff


class StDiffLearner(DiffusionLearner[Denoiser]):
    """stDiff on one task: learns in the cells, from visible genes to targets, and applies it to the spots."""

    def __init__(self, settings: StDiff, task: Task, ctx: Context):
        self.settings, self.task = settings, task
        rows = training_rows(task.reference, task.visible, task.targets, settings.aug_add)
        self.rows = torch.from_numpy(rows).to(ctx.device)  # (n_rows, n_visible + n_targets)
        sizes = self.n_visible, self.n_targets = len(task.visible), len(task.targets)
        width, batch = settings.size(sum(sizes))
        super().__init__(
            build(lambda: Denoiser(*sizes, width, settings.depth, settings.heads), ctx),
            ctx,
            Diffusion(settings.timesteps, settings.objective, ctx.device),
            Optimisation(settings.lr),
            n_rows=len(rows),
            batch=batch,
        )

    def loss(self, rows: Tensor) -> Tensor:
        """Squared error of the objective on the targets of the cells with these numbers, (batch,), a scalar.

        Every cell draws its own time. Averaged over all genes as in stDiff, where the visible ones are
        masked and add zero.
        """
        cells = self.rows[rows][None]  # (1, batch, n_genes)
        visible, clean = cells.tensor_split([self.n_visible], dim=-1)
        time = self.diffusion.draw_times(cells.shape[:2], self.generator)
        noisy, expected = self.diffusion.corrupt(clean, time, self.generator)
        return (expected - self.estimate(visible, noisy, time)).square().sum() / cells.numel()

    def estimate(self, visible: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """Noise or clean targets, as the network predicts them; shapes as in `Denoiser.forward`."""
        n_batches, n_rows, _ = noisy.shape
        if not self.settings.attend_batch:  # every row is a sequence of its own
            visible, noisy = visible.reshape(-1, 1, visible.shape[-1]), noisy.reshape(-1, 1, noisy.shape[-1])
            time = time.expand(n_batches, n_rows).reshape(-1, 1)
        return self.net(visible, noisy, time).float().reshape(n_batches, n_rows, -1)

    def check(self) -> np.ndarray:
        """The prediction from ``check_steps`` of the sampler."""
        return self.sample(self.settings.check_steps)

    def predict(self) -> np.ndarray:
        """Mean of ``n_samples`` samples on the scale of ``X``, (n_spots, n_targets)."""
        return self.sample(self.settings.sampling_steps)

    def sample(self, n_steps: int) -> np.ndarray:
        """The prediction in ``n_steps`` steps; spots share batches as large as in training."""
        spots, scale = spot_rows(self.task)
        visible = torch.from_numpy(spots).to(self.ctx.device)
        fresh = generator(self.ctx.seed, "sampling", self.ctx.device)
        batches = even_batches(visible, self.batch)
        with autocast(self.ctx.device):
            rows = torch.cat([self._sample_batch(batch, n_steps, fresh) for batch in batches], dim=1)
        return on_scale_of_x(self.task, scale, rows.double().cpu().numpy()).mean(axis=0)

    def _sample_batch(self, visible: Tensor, n_steps: int, fresh: torch.Generator) -> Tensor:
        """Samples (n_samples, batch, n_targets) of the targets of spots, ``visible`` (batch, n_visible)."""
        visible = visible.expand(self.settings.n_samples, -1, -1)
        return self.diffusion.sample(
            lambda x, t: self.estimate(visible, x, t.expand(1, 1)),
            (*visible.shape[:2], self.n_targets),
            n_steps,
            fresh,
            eta=float(self.settings.sampler == "ancestral"),
        )
