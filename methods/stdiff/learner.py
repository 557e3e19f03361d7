"""Training on the cells of the reference, and sampling of the spots."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stbench.methods import Context, Task
from stbench.toolbox.nn.diffusion import add_noise, clean_from_noise, cosine_alpha_bar, denoise, sample_times
from stbench.toolbox.nn.training import Optimiser, autocast, build, generator

from .data import on_scale_of_x, spot_rows, training_rows
from .model import Denoiser

if TYPE_CHECKING:
    from . import StDiff


class StDiffLearner:
    """stDiff on one task: learns in the cells, from visible genes to targets, and applies it to the spots."""

    def __init__(self, settings: StDiff, task: Task, ctx: Context):
        self.settings, self.task, self.ctx = settings, task, ctx
        rows = training_rows(task.reference, task.visible, task.targets, settings.aug_add)
        self.rows = torch.from_numpy(rows).to(ctx.device)  # (n_rows, n_visible + n_targets)
        self.width, self.batch = settings.size(rows.shape[1])
        self.net = build(self._network, ctx)
        self.optimiser = Optimiser(self.net, settings.lr)
        self.alpha_bar = cosine_alpha_bar(settings.timesteps).to(ctx.device)
        self.generator = generator(ctx.seed, "training", ctx.device)
        self.batches = self._batches()

    def update(self) -> Tensor:
        """Take one step on the next batch of cells; the loss before it, a scalar."""
        return self.optimiser.follow(self.loss(self.rows[next(self.batches)][None]))

    def loss(self, rows: Tensor) -> Tensor:
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
        """What the network predicts, noise or clean targets; shapes as in `Denoiser.forward`."""
        n_batches, n_rows, _ = noisy.shape
        if not self.settings.attend_batch:  # every row is a sequence of its own
            visible, noisy = visible.reshape(-1, 1, visible.shape[-1]), noisy.reshape(-1, 1, noisy.shape[-1])
            time = time.expand(n_batches, n_rows).reshape(-1, 1)
        with autocast(self.ctx.device):
            predicted = self.net(visible, noisy, time)
        return predicted.float().reshape(n_batches, n_rows, -1)

    def check(self) -> np.ndarray:
        """As `predict`, with ``check_steps`` of the sampler."""
        return self.sample(self.settings.check_steps)

    def predict(self) -> np.ndarray:
        """Mean of ``n_samples`` samples on the scale of ``X``, (n_spots, n_targets)."""
        return self.sample(self.settings.sampling_steps)

    def sample(self, n_steps: int) -> np.ndarray:
        """As `predict`, in ``n_steps`` steps; spots share batches in their order, of sizes as in training."""
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

        def clean(x: Tensor, t: Tensor) -> Tensor:
            answer = self.estimate(visible, x, t.expand(1, 1))
            if self.settings.objective == "x0":
                return answer
            return clean_from_noise(x, answer, self.alpha_bar[t])

        return denoise(
            clean,
            torch.randn(shape, generator=fresh, device=visible.device),
            sample_times(torch.arange(len(self.alpha_bar), device=visible.device), n_steps),
            self.alpha_bar,
            eta=1.0 if self.settings.sampler == "ancestral" else 0.0,
            limit=1.0,
            generator=fresh,
        )

    def _batches(self) -> Iterator[Tensor]:
        """Rows in a new order every epoch, in batches of nearly one size."""
        while True:
            order = torch.randperm(len(self.rows), generator=self.generator, device=self.ctx.device)
            yield from order.tensor_split(math.ceil(len(self.rows) / self.batch))

    def _network(self) -> Denoiser:
        return Denoiser(
            len(self.task.visible),
            len(self.task.targets),
            self.width,
            self.settings.depth,
            self.settings.heads,
        )
