"""Training of the three networks together, with the best weights on the val genes kept."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss

from stbench.methods import Context

from . import diffusion
from .data import GeneRows
from .mask import CLEAN, CONDITION, NOISY, causal_mask, draw_step_sizes, step_weights
from .model import CausalGeDNet, build, half_on_cuda
from .sample import generate

if TYPE_CHECKING:
    from . import CausalGeD

BETAS = (0.9, 0.95)  # CausalFusion
EMA_START = 10  # steps over which the average forgets the initial weights


def fit(settings: CausalGeD, rows: GeneRows, truth: np.ndarray, ctx: Context) -> CausalGeDNet:
    """The networks, trained on the known genes of ``rows`` and stopped on its targets.

    ``truth`` (n_spots, n_targets) are the maps of the targets of ``rows``, the val genes: they choose when to
    stop and are never trained on.
    """
    trainer = Trainer(settings, rows, ctx)
    n_steps = settings.pretrain_steps + settings.steps
    best, best_score, waited = trainer.average, -np.inf, 0
    while trainer.done < n_steps and waited < settings.patience:
        loss = trainer.step()
        if trainer.done % settings.val_every and trainer.done < n_steps:
            continue
        if trainer.done <= settings.pretrain_steps:
            ctx.progress(trainer.done, n_steps, loss=loss.item())
            continue
        score = trainer.score(truth)
        ctx.progress(trainer.done, n_steps, loss=loss.item(), val=score)
        waited += 1
        if score > best_score:
            best, best_score, waited = copy.deepcopy(trainer.average), score, 0
    ctx.log.info("best mean PCC on the val genes: %.3f, stopped after %d steps", best_score, trainer.done)
    return best


class Trainer:
    """The state of a training run: weights, their moving average, optimiser, random numbers, steps done."""

    def __init__(self, settings: CausalGeD, rows: GeneRows, ctx: Context):
        self.settings, self.rows, self.seed = settings, rows, ctx.seed
        self.device = torch.device(ctx.device)
        self.rng = np.random.default_rng(ctx.seed)  # orders and steps, drawn on the host
        self.generator = torch.Generator(self.device).manual_seed(ctx.seed)  # noise, drawn on the device
        start = torch.Generator().manual_seed(ctx.seed)
        self.net = build(rows.maps.shape[1], rows.profiles.shape[1], settings, start).to(self.device)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), settings.lr, BETAS, weight_decay=0, fused=self.device.type == "cuda"
        )
        self.alpha_bar = diffusion.cosine_alpha_bar(settings.timesteps).to(self.device)
        self.times = settings.time_grid().to(self.device)
        self.done = 0
        if settings.compile:
            self.net.cat.compile(dynamic=True)  # the number of clean tokens differs from step to step

    def step(self) -> Tensor:
        """One update of the weights; returns the loss before it, a scalar on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.lr * min(1.0, (self.done + 1) / self.settings.warmup)
        if self.done >= self.settings.pretrain_steps and self.settings.decoder == "pretrained_frozen":
            self.net.decoder.requires_grad_(False)
        with half_on_cuda(self.device):
            loss = self.objective()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip)
        self.optimiser.step()
        self.done += 1
        self.update_average()
        return loss.detach()

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the exponential average of the weights towards the current ones."""
        decay = min(self.settings.ema, self.done / (self.done + EMA_START))
        for average, weight in zip(self.average.parameters(), self.net.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)

    @torch.no_grad()
    def score(self, truth: np.ndarray) -> float:
        """Mean PCC of the averaged weights over the targets of the rows; the same noise at every call."""
        net, settings = self.average, self.settings
        with half_on_cuda(self.device):
            net.fit_scales(net.encoder.of_maps(self.rows.maps), net.encoder.of_profiles(self.rows.profiles))
        generator = torch.Generator(self.device).manual_seed(self.seed)
        n_samples, n_steps = settings.val_samples, settings.val_steps
        maps = generate(net, self.rows, settings, generator, n_samples=n_samples, n_steps=n_steps)
        return mean_pcc(truth, maps.mean(dim=0).T.cpu().numpy())

    def objective(self) -> Tensor:
        """The loss of one step: autoencoding, then also alignment and diffusion. A scalar.

        All sequences of a step hold the same ``seq_genes`` genes (usually all), each in an order of its own.
        """
        settings, net = self.settings, self.net
        chosen = self.on_device(np.sort(self.rng.permutation(len(self.rows.maps))[: settings.seq_genes]))
        maps, profiles = (
            self.rows.maps[chosen],
            self.rows.profiles[chosen],
        )  # (genes, n_spots), (genes, n_cells)
        kept = torch.rand(maps.shape, generator=self.generator, device=self.device) >= settings.denoise_input
        posterior = net.encoder.of_maps(maps * kept)
        latents = posterior.draw(self.generator)  # (genes, latent)
        loss = (
            reconstruction_loss(net.decoder(latents), maps)
            + settings.kl_weight * posterior.divergence().mean()
        )
        if self.done < settings.pretrain_steps:
            return loss
        conditions = net.encoder.of_profiles(profiles)  # (genes, latent)
        loss = loss + settings.align_weight * mse_loss(conditions, posterior.mean.detach())
        if settings.generation == "diffusion":
            net.fit_scales(posterior, conditions)
            # detached: the encoder could make its latents easy to predict by making them all alike
            targets = net.map_scale(latents.detach())
            loss = loss + self.diffusion_loss(targets, net.profile_scale(conditions))
        return loss

    def diffusion_loss(self, latents: Tensor, profiles: Tensor) -> Tensor:
        """Eq. 3 in latent space under the causal mask: weighted mean squared error, a scalar.

        ``latents`` and ``profiles`` (genes, latent) are standardised.
        """
        settings, cat = self.settings, self.net.cat
        n_genes, n_sequences = len(latents), settings.batch
        sizes = np.array([n_genes])  # without context there is nothing to wait for
        if settings.context == "clean":
            sizes = draw_step_sizes(n_genes, settings.ar_step_decay, self.rng)
        order = self.on_device([self.rng.permutation(n_genes) for _ in range(n_sequences)])
        step = self.on_device(np.repeat(np.arange(len(sizes)), sizes)).expand_as(order)
        step = torch.empty_like(order).scatter_(1, order, step)  # (sequences, genes): when is each gene made
        seen = order[:, : n_genes - sizes[-1]]  # nobody waits for the last step, so it has no clean tokens

        n_times = 1 if settings.t_shared else len(sizes)
        time = torch.randint(
            len(self.times), (n_sequences, n_times), generator=self.generator, device=self.device
        )
        time = self.times[time].expand(-1, len(sizes)).gather(1, step)  # (sequences, genes)
        noise = torch.randn(n_sequences, *latents.shape, generator=self.generator, device=self.device)
        noisy = diffusion.add_noise(latents, noise, self.alpha_bar[time][..., None])

        condition = profiles if settings.cond == "own" else profiles[:0]
        tokens = (
            cat.condition_tokens(condition).expand(n_sequences, -1, -1),  # (sequences, genes or 0, width)
            cat.clean_tokens(latents[seen], profiles.detach()[seen]),  # (sequences, seen, width)
            cat.noisy_tokens(noisy, profiles, time),  # (sequences, genes, width)
        )
        kind = self.on_device(np.repeat((CONDITION, CLEAN, NOISY), [part.shape[1] for part in tokens]))
        steps = torch.cat((torch.zeros_like(order[:, : len(condition)]), step.gather(1, seen), step), dim=1)
        hidden, _ = cat(torch.cat(tokens, dim=1), causal_mask(kind, steps)[:, None])
        prediction = cat.read(hidden[:, -n_genes:])  # (sequences, genes, latent)

        wanted = noise if settings.objective == "eps" else latents.expand_as(noise)
        weights = self.on_device(step_weights(sizes, settings.ar_weights, settings.ar_weight_max)).float()[
            step
        ]
        return (weights * (wanted - prediction).square().mean(dim=-1)).mean()

    def on_device(self, values: object) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(self.device)


def reconstruction_loss(decoded: Tensor, maps: Tensor) -> Tensor:
    """Mean squared error over the non-zeros plus mean Huber loss over the zeros of ``maps``, a scalar.

    Two means, since the zeros of a sparse map would drown the rest in one.
    """
    zero = maps == 0
    squared = torch.where(zero, 0, (decoded - maps).square()).sum() / (~zero).sum().clamp(min=1)
    huber = torch.where(zero, huber_loss(decoded, maps, reduction="none"), 0).sum() / zero.sum().clamp(min=1)
    return squared + huber


def mean_pcc(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over genes of the Pearson correlation over spots; a constant column counts 0."""
    truth, prediction = truth - truth.mean(axis=0), prediction - prediction.mean(axis=0)
    norm = np.sqrt((truth**2).sum(axis=0) * (prediction**2).sum(axis=0))
    return float(np.mean((truth * prediction).sum(axis=0) / np.where(norm > 0, norm, np.inf)))
