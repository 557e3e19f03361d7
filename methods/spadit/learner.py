"""Training on the visible genes, and sampling of the targets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, mse_loss

from stbench.methods import Context, Task
from stbench.toolbox.nn.diffusion import add_noise, clean_from_noise, cosine_alpha_bar, denoise, sample_times
from stbench.toolbox.nn.training import Optimiser, autocast, build, generator
from stbench.toolbox.scale import target_maxima

from .data import gene_rows
from .model import GeneMLP, GeneTransformer

if TYPE_CHECKING:
    from . import SpaDiT


class SpaDiTLearner:
    """SpaDiT on one task: learns in the visible genes, from profile to map, and applies it to the targets."""

    def __init__(self, settings: SpaDiT, task: Task, ctx: Context):
        self.settings, self.task, self.ctx = settings, task, ctx
        self.genes = gene_rows(task, settings.sc_reduce, ctx.device)
        self.net = build(self._network, ctx)
        self.optimiser = Optimiser(self.net, settings.lr)
        self.alpha_bar = cosine_alpha_bar(settings.timesteps).to(ctx.device)
        self.generator = generator(ctx.seed, "training", ctx.device)
        self.batches = self._batches()

    def update(self) -> Tensor:
        """Take one step on the next batch of genes; the loss before it, a scalar."""
        return self.optimiser.follow(self.loss(next(self.batches)))

    def loss(self, genes: Tensor) -> Tensor:
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
        """What the network predicts, noise or map; shapes as in `GeneTransformer.forward`."""
        with autocast(self.ctx.device):
            return self.net(noisy, profiles, time).float()

    def check(self) -> np.ndarray:
        """As `predict`; a check costs little."""
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
        company = self.genes.maps[context].expand(shape[0], -1, -1)  # (n_samples, n_context, n_spots)
        profiles = torch.cat((profiles, self.genes.profiles[context])).expand(shape[0], -1, -1)

        def clean(x: Tensor, t: Tensor) -> Tensor:
            noise = torch.randn(company.shape, generator=fresh, device=device)
            noisy = torch.cat((x, add_noise(company, noise, self.alpha_bar[t])), dim=1)
            answer = self.estimate(noisy, profiles, t.expand(1, 1))[:, :n_targets]
            if self.settings.objective == "x0":
                return answer
            return clean_from_noise(x, answer, self.alpha_bar[t])

        return denoise(
            clean,
            torch.randn(shape, generator=fresh, device=device),
            sample_times(torch.arange(len(self.alpha_bar), device=device), self.settings.sampling_steps),
            self.alpha_bar,
            eta=1.0 if self.settings.sampler == "ancestral" else 0.0,
            limit=1.0,
            generator=fresh,
        ).mean(dim=0)

    def _batches(self) -> Iterator[Tensor]:
        """Numbers of the visible genes in a new order every epoch, in batches of nearly one size."""
        n_genes = len(self.genes.maps)
        while True:
            order = torch.randperm(n_genes, generator=self.generator, device=self.ctx.device)
            yield from order.tensor_split(math.ceil(n_genes / self.settings.batch))

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
