"""Training of the three networks on the visible genes, and prediction of the targets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from stbench.methods import Context, Task
from stbench.toolbox.nn.diffusion import Diffusion
from stbench.toolbox.nn.learner import (
    DiffusionLearner,
    Optimisation,
    autocast,
    build,
    generator,
    loss_by_zeros,
)
from stbench.toolbox.scale import target_maxima

from .mask import CLEAN, CONDITION, NOISY, causal_mask, draw_step_sizes, step_weights
from .model import CausalGeDNet, gene_rows, initialise
from .sample import generate

if TYPE_CHECKING:
    from . import CausalGeD

BETAS = (0.9, 0.95)  # CausalFusion
SMALLEST = 1e-6  # maximum of a map; a gene may have no counts in space
LATENT_RANGE = 4.0  # standard deviations; latents of known genes are hardly ever larger


class CausalGeDLearner(DiffusionLearner[CausalGeDNet]):
    """CausalGeD on one task. The first update includes the pretraining of encoder and decoder.

    The predictions come from a moving average of the weights.
    """

    def __init__(self, settings: CausalGeD, task: Task, ctx: Context):
        self.settings, self.task = settings, task
        self.rows = gene_rows(task, ctx.device, settings.profiles)
        n_spots, n_cells = self.rows.maps.shape[1], self.rows.profiles.shape[1]
        net = build(lambda: CausalGeDNet(n_spots, n_cells, settings), ctx, initialise)
        diffusion = Diffusion(settings.timesteps, settings.objective, ctx.device, stride=settings.time_stride)
        optimisation = Optimisation(settings.lr, settings.warmup, BETAS, settings.clip, settings.ema)
        n_rows = len(self.rows.maps)
        super().__init__(net, ctx, diffusion, optimisation, n_rows=n_rows, batch=settings.seq_genes)
        if settings.compile:
            self.net.cat.compile(dynamic=True)  # the number of clean tokens differs between updates
        self.rng = np.random.default_rng(ctx.seed)  # draws orders and steps, on the host

    def update(self) -> Tensor:
        """Take one step of the optimiser after the pretraining; the loss before it, a scalar."""
        while self.done < self.settings.pretrain_steps:
            super().update()
        return super().update()

    def next_batch(self) -> Tensor:
        """Numbers of ``seq_genes`` random genes, usually all, for every sequence of an update."""
        return self.on_device(np.sort(self.rng.permutation(self.n_rows)[: self.batch]))

    def loss(self, rows: Tensor) -> Tensor:
        """Autoencoding and, after the pretraining, alignment and diffusion of these genes; a scalar."""
        settings, net = self.settings, self.net
        pretraining = self.done < settings.pretrain_steps
        net.decoder.requires_grad_(pretraining or settings.decoder == "joint")
        maps, profiles = self.rows.maps[rows], self.rows.profiles[rows]  # (genes, n_spots or n_cells)
        if settings.mix and not pretraining:
            maps, profiles = self.mixed(maps, profiles)
        draws = torch.rand(maps.shape, generator=self.generator, device=maps.device)
        posterior = net.encoder.of_maps(maps * (draws >= settings.denoise_input))
        latents = posterior.draw(self.generator)  # (genes, latent)
        loss = loss_by_zeros(net.decoder(latents), maps, maps == 0)
        loss = loss + settings.kl_weight * posterior.divergence().mean()
        if pretraining:
            return loss
        conditions = net.encoder.of_profiles(self.with_fewer_cells(profiles))  # (genes, latent)
        loss = loss + settings.align_weight * mse_loss(conditions, posterior.mean.detach())
        if settings.generation == "diffusion":
            net.fit_scales(posterior, conditions)
            # detached: the encoder could make its latents easy to predict by making them all equal
            clean = net.map_scale((posterior.mean if settings.target == "mean" else latents).detach())
            loss = loss + self.diffusion_loss(clean, net.profile_scale(conditions))
        return loss

    def mixed(self, maps: Tensor, profiles: Tensor) -> tuple[Tensor, Tensor]:
        """These genes, a share of them mixed with another one; a map ends at 1 again."""
        shape, on = (len(maps), 1), maps.device
        chosen = torch.rand(shape, generator=self.generator, device=on) < self.settings.mix
        weight = torch.rand(shape, generator=self.generator, device=on) * chosen
        other = torch.randperm(len(maps), generator=self.generator, device=on)
        maps, profiles = torch.lerp(maps, maps[other], weight), torch.lerp(profiles, profiles[other], weight)
        return maps / maps.amax(dim=1, keepdim=True).clamp(min=SMALLEST), profiles

    def with_fewer_cells(self, profiles: Tensor) -> Tensor:
        """These profiles with a random share of their cells at 0, and the rest scaled up for it."""
        share = self.settings.cell_dropout
        if not share:
            return profiles
        draws = torch.rand(profiles.shape, generator=self.generator, device=profiles.device)
        return profiles * (draws >= share) / (1 - share)

    def diffusion_loss(self, latents: Tensor, profiles: Tensor) -> Tensor:
        """Eq. 3 for standardised (genes, latent) under the causal mask, in sequences of different order."""
        settings, cat = self.settings, self.net.cat
        n_genes, n_sequences = len(latents), settings.batch
        sizes = np.array([n_genes])
        if settings.ar_steps == "random":
            sizes = draw_step_sizes(n_genes, settings.ar_step_decay, self.rng)
        order = self.on_device([self.rng.permutation(n_genes) for _ in range(n_sequences)])
        step = self.on_device(np.repeat(np.arange(len(sizes)), sizes)).expand_as(order)
        step = torch.empty_like(order).scatter_(1, order, step)  # (sequences, genes): the step of each gene
        # no gene comes after the last step, so it has no clean tokens
        seen = order[:, : n_genes - sizes[-1] if settings.sees_clean else 0]

        n_times = 1 if settings.t_shared else len(sizes)
        time = self.diffusion.draw_times((n_sequences, n_times), self.generator)
        time = time.expand(-1, len(sizes)).gather(1, step)  # (sequences, genes)
        clean = latents.expand(n_sequences, -1, -1)
        noisy, expected = self.diffusion.corrupt(clean, time, self.generator)  # (sequences, genes, latent)

        conditioned = profiles if settings.cond == "own" else profiles[:0]
        tokens = (
            cat.condition_tokens(conditioned).expand(n_sequences, -1, -1),  # (sequences, genes or 0, width)
            cat.clean_tokens(latents[seen], profiles.detach()[seen]),  # (sequences, seen, width)
            cat.noisy_tokens(noisy, profiles, time),  # (sequences, genes, width)
        )
        kind = self.on_device(np.repeat((CONDITION, CLEAN, NOISY), [part.shape[1] for part in tokens]))
        steps = torch.cat((torch.zeros_like(step[:, : len(conditioned)]), step.gather(1, seen), step), dim=1)
        hidden, _ = cat(torch.cat(tokens, dim=1), causal_mask(kind, steps)[:, None])
        prediction = cat.read(hidden[:, -n_genes:])  # (sequences, genes, latent)

        weights = self.on_device(step_weights(sizes, settings.ar_weights, settings.ar_weight_max))
        return (weights.float()[step] * (expected - prediction).square().mean(dim=-1)).mean()

    def state(self) -> dict[str, Any]:
        """Everything that changes in training, with the random draws on the host."""
        return super().state() | {"rng": self.rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from ``state``, bit by bit on the CPU."""
        super().restore(state)
        self.rng.bit_generator.state = state["rng"]

    def check(self) -> np.ndarray:
        """Maps of the targets, (n_spots, n_targets), each between 0 and 1, with the sampler of the checks."""
        return self.maps(self.settings.val_samples, self.settings.val_steps).mean(axis=0).T

    def predict(self) -> np.ndarray:
        """Mean of the samples on the scale of ``X``, (n_spots, n_targets)."""
        maps = self.maps(self.settings.n_samples, self.settings.sample_steps)
        self.ctx.log.info("mean sd over samples: %.4f of a gene's maximum", maps.std(axis=0).mean())
        return maps.mean(axis=0).T * target_maxima(self.task)

    @torch.no_grad()
    def maps(self, n_samples: int, n_steps: int) -> np.ndarray:
        """Samples (n_samples, n_targets, n_spots) with the averaged weights; the same noise in every call."""
        net, rows = self.average, self.rows
        fresh = generator(self.ctx.seed, "sampling", self.ctx.device)
        sample = partial(
            self.diffusion.sample, n_steps=n_steps, generator=fresh, eta=self.settings.eta, limit=LATENT_RANGE
        )
        with autocast(self.ctx.device):
            net.fit_scales(net.encoder.of_maps(rows.maps), net.encoder.of_profiles(rows.profiles))
            maps = generate(net, rows, self.settings, n_samples, sample)
        return maps.double().cpu().numpy()

    def on_device(self, values: object) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(self.ctx.device)
