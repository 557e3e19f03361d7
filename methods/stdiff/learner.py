"""Training on the cells of the reference, and sampling of the spots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from stbench.methods import Context, Task
from stbench.toolbox.nn.diffusion import add_noise
from stbench.toolbox.nn.learner import DiffusionLearner
from stbench.toolbox.nn.training import autocast, build, generator

from .data import on_scale_of_x, spot_rows, training_rows
from .model import Denoiser

if TYPE_CHECKING:
    from . import StDiff


class StDiffLearner(DiffusionLearner[nn.Module]):
    """stDiff on one task: learns in the cells, from visible genes to targets, and applies it to the spots."""

    def __init__(self, settings: StDiff, task: Task, ctx: Context):
        self.settings, self.task = settings, task
        rows = training_rows(task.reference, task.visible, task.targets, settings.aug_add)
        self.rows = torch.from_numpy(rows).to(ctx.device)  # (n_rows, n_visible + n_targets)
        self.width, self.batch = settings.size(rows.shape[1])
        super().__init__(build(self._network, ctx), ctx, lr=settings.lr, n_times=settings.timesteps)

    def loss(self) -> Tensor:
        """Error on the next batch of cells, a scalar."""
        return self.loss_on(self.rows[self.next_batch(len(self.rows), self.batch)][None])

    def loss_on(self, rows: Tensor) -> Tensor:
        """Squared error of the objective on the targets of ``rows`` (1, batch, n_genes), a scalar.

        Every row draws its own time. Averaged over all genes as in stDiff, where the visible ones are
        masked and add zero.
        """
        visible, clean = rows.split([len(self.task.visible), len(self.task.targets)], dim=-1)
        time = torch.randint(
            len(self.alpha_bar), rows.shape[:2], generator=self.generator, device=rows.device
        )
        noise = torch.randn(clean.shape, generator=self.generator, device=rows.device)
        noisy = add_noise(clean, noise, self.alpha_bar[time][..., None])
        wanted = noise if self.settings.objective == "eps" else clean
        return (wanted - self.estimate(visible, noisy, time)).square().sum() / rows.numel()

    def estimate(self, visible: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """Noise or clean targets, as the network predicts them; shapes as in `Denoiser.forward`."""
        n_batches, n_rows, _ = noisy.shape
        if not self.settings.attend_batch:  # every row is a sequence of its own
            visible, noisy = visible.reshape(-1, 1, visible.shape[-1]), noisy.reshape(-1, 1, noisy.shape[-1])
            time = time.expand(n_batches, n_rows).reshape(-1, 1)
        with autocast(self.ctx.device):
            predicted = self.net(visible, noisy, time)
        return predicted.float().reshape(n_batches, n_rows, -1)

    def check(self) -> np.ndarray:
        """The prediction from ``check_steps`` of the sampler."""
        return self.sampled(self.settings.check_steps)

    def predict(self) -> np.ndarray:
        """Mean of ``n_samples`` samples on the scale of ``X``, (n_spots, n_targets)."""
        return self.sampled(self.settings.sampling_steps)

    def sampled(self, n_steps: int) -> np.ndarray:
        """The prediction in ``n_steps`` steps; spots share batches as large as in training."""
        spots, scale = spot_rows(self.task)
        visible = torch.from_numpy(spots).to(self.ctx.device)
        fresh = generator(self.ctx.seed, "sampling", self.ctx.device)
        batches = visible.tensor_split(math.ceil(len(visible) / self.batch))
        rows = torch.cat([self._sample_batch(batch, n_steps, fresh) for batch in batches], dim=1)
        return on_scale_of_x(self.task, scale, rows.double().cpu().numpy()).mean(axis=0)

    def _sample_batch(self, visible: Tensor, n_steps: int, fresh: torch.Generator) -> Tensor:
        """Samples (n_samples, batch, n_targets) of the targets of spots, ``visible`` (batch, n_visible)."""
        visible = visible.expand(self.settings.n_samples, -1, -1)
        shape = (*visible.shape[:2], len(self.task.targets))

        settings = self.settings
        return self.sample(
            lambda x, t: self.estimate(visible, x, t.expand(1, 1)), shape, n_steps=n_steps,
            objective=settings.objective, sampler=settings.sampler, fresh=fresh,
        )  # fmt: skip

    def _network(self) -> Denoiser:
        return Denoiser(
            len(self.task.visible),
            len(self.task.targets),
            self.width,
            self.settings.depth,
            self.settings.heads,
        )
