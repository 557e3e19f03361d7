"""Training on the visible genes, and sampling of the targets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, mse_loss

from stbench.methods import Context, Task
from stbench.toolbox.nn.diffusion import add_noise
from stbench.toolbox.nn.learner import DiffusionLearner
from stbench.toolbox.nn.training import autocast, build, generator
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
        super().__init__(build(self._network, ctx), ctx, lr=settings.lr, n_times=settings.timesteps)

    def loss(self) -> Tensor:
        """Error on the noised entries of the next batch of genes, a scalar."""
        return self.loss_on(self.next_batch(len(self.genes.maps), self.settings.batch))

    def loss_on(self, genes: Tensor) -> Tensor:
        """Error on the noised entries of some genes, (batch,) of their numbers, a scalar.

        Every gene draws its own time. Squared error where the map is not zero plus Huber loss where it is.
        """
        maps, profiles = self.genes.maps[genes][None], self.genes.profiles[genes][None]
        zero = self.genes.zero[genes][None]
        time = torch.randint(
            len(self.alpha_bar), maps.shape[:2], generator=self.generator, device=maps.device
        )
        noise = torch.randn(maps.shape, generator=self.generator, device=maps.device)
        chance = torch.rand(maps.shape, generator=self.generator, device=maps.device)
        noised = chance < torch.where(zero, self.settings.rho_zero, self.settings.rho)
        noisy = torch.where(noised, add_noise(maps, noise, self.alpha_bar[time][..., None]), maps)
        predicted = self.estimate(noisy, profiles, time)
        wanted = noise if self.settings.objective == "eps" else maps
        squared = mse_loss(predicted, wanted, reduction="none")
        huber = huber_loss(predicted, wanted, reduction="none")
        return _mean(squared, noised & ~zero) + _mean(huber, noised & zero)

    def estimate(self, noisy: Tensor, profiles: Tensor, time: Tensor) -> Tensor:
        """Noise or map, as the network predicts it; shapes as in `GeneTransformer.forward`."""
        with autocast(self.ctx.device):
            return self.net(noisy, profiles, time).float()

    def check(self) -> np.ndarray:
        """The prediction: a check costs little."""
        return self.predict()

    @torch.no_grad()
    def predict(self) -> np.ndarray:
        """Mean of ``n_samples`` samples on the scale of ``X``, (n_spots, n_targets)."""
        fresh = generator(self.ctx.seed, "sampling", self.ctx.device)
        targets = self.genes.target_profiles
        batches = targets.tensor_split(math.ceil(len(targets) / self.settings.batch))
        maps = torch.cat([self._sample_batch(batch, fresh) for batch in batches])
        return (maps.double().cpu().numpy().T + 1) / 2 * target_maxima(self.task)

    def _sample_batch(self, profiles: Tensor, fresh: torch.Generator) -> Tensor:
        """Mean maps (batch, n_spots) of targets with these profiles, (batch, n_features)."""
        n_targets, device = len(profiles), profiles.device
        shape = (self.settings.n_samples, n_targets, self.genes.maps.shape[1])
        order = torch.randperm(len(self.genes.maps), generator=fresh, device=device)
        context = order[: self.settings.context_genes]
        others = self.genes.maps[context].expand(shape[0], -1, -1)  # (n_samples, n_context, n_spots)
        profiles = torch.cat((profiles, self.genes.profiles[context])).expand(shape[0], -1, -1)

        def estimate(x: Tensor, t: Tensor) -> Tensor:
            noise = torch.randn(others.shape, generator=fresh, device=device)
            noisy = torch.cat((x, add_noise(others, noise, self.alpha_bar[t])), dim=1)
            return self.estimate(noisy, profiles, t.expand(1, 1))[:, :n_targets]

        settings = self.settings
        return self.sample(
            estimate, shape, n_steps=settings.sampling_steps, objective=settings.objective,
            sampler=settings.sampler, fresh=fresh,
        ).mean(dim=0)  # fmt: skip

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
