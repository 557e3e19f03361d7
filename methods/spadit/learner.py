"""Training on the visible genes, and sampling of the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, mse_loss

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
from stbench.toolbox.scale import target_maxima

from .data import gene_rows
from .model import GeneMLP, GeneTransformer

if TYPE_CHECKING:
    from . import SpaDiT


class SpaDiTLearner(DiffusionLearner[nn.Module]):
    """SpaDiT on one task: learns in the visible genes, from profile to map, and applies it to the targets."""

    def __init__(self, settings: SpaDiT, task: Task, ctx: Context):
        self.settings, self.task = settings, task
        self.genes = gene_rows(task, settings.sc_reduce, ctx.device)
        super().__init__(
            build(self._network, ctx),
            ctx,
            Diffusion(settings.timesteps, settings.objective, ctx.device),
            Optimisation(settings.lr),
            n_rows=len(self.genes.maps),
            batch=settings.batch,
        )

    def loss(self, rows: Tensor) -> Tensor:
        """Error on the noised entries of the visible genes with these numbers, (batch,), a scalar.

        Every gene draws its own time. Squared error where the map is not zero plus Huber loss where it is.
        """
        maps, profiles = self.genes.maps[rows][None], self.genes.profiles[rows][None]
        zero = self.genes.zero[rows][None]
        time = self.diffusion.draw_times(maps.shape[:2], self.generator)
        noisy, expected = self.diffusion.corrupt(maps, time, self.generator)
        chance = torch.rand(maps.shape, generator=self.generator, device=maps.device)
        noised = chance < torch.where(zero, self.settings.rho_zero, self.settings.rho)
        predicted = self.estimate(torch.where(noised, noisy, maps), profiles, time)
        squared = mse_loss(predicted, expected, reduction="none")
        huber = huber_loss(predicted, expected, reduction="none")
        return _mean(squared, noised & ~zero) + _mean(huber, noised & zero)

    def estimate(self, noisy: Tensor, profiles: Tensor, time: Tensor) -> Tensor:
        """Noise or map, as the network predicts it; shapes as in `GeneTransformer.forward`."""
        return self.net(noisy, profiles, time).float()

    @torch.no_grad()
    def predict(self) -> np.ndarray:
        """Mean of ``n_samples`` samples on the scale of ``X``, (n_spots, n_targets)."""
        fresh = generator(self.ctx.seed, "sampling", self.ctx.device)
        batches = even_batches(self.genes.target_profiles, self.batch)
        with autocast(self.ctx.device):
            maps = torch.cat([self._sample_batch(batch, fresh) for batch in batches])
        return (maps.double().cpu().numpy().T + 1) / 2 * target_maxima(self.task)

    def _sample_batch(self, profiles: Tensor, fresh: torch.Generator) -> Tensor:
        """Mean maps (batch, n_spots) of targets with these profiles, (batch, n_features)."""
        settings, n_targets = self.settings, len(profiles)
        shape = (settings.n_samples, n_targets, self.genes.maps.shape[1])
        order = torch.randperm(self.n_rows, generator=fresh, device=self.ctx.device)
        context = order[: settings.context_genes]
        others = self.genes.maps[context].expand(shape[0], -1, -1)  # (n_samples, n_context, n_spots)
        profiles = torch.cat((profiles, self.genes.profiles[context])).expand(shape[0], -1, -1)

        def estimate(x: Tensor, t: Tensor) -> Tensor:
            noisy, _ = self.diffusion.corrupt(others, t, fresh)
            return self.estimate(torch.cat((x, noisy), dim=1), profiles, t.expand(1, 1))[:, :n_targets]

        eta = float(settings.sampler == "ancestral")
        return self.diffusion.sample(estimate, shape, settings.sampling_steps, fresh, eta=eta).mean(dim=0)

    def _network(self) -> nn.Module:
        n_spots, n_features = self.genes.maps.shape[1], self.genes.profiles.shape[1]
        if self.settings.network == "mlp":
            return GeneMLP(n_spots, n_features, self.settings.hidden)
        return GeneTransformer(
            n_spots, n_features, self.settings.hidden, self.settings.depth, self.settings.heads
        )


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean of ``values`` at the places ``where``; 0 if there are none."""
    return (values * where).sum() / where.sum().clamp(min=1)
