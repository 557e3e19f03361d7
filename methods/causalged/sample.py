"""Generation of hidden genes: the context is read once, then the genes are denoised against its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from . import diffusion
from .data import GeneRows
from .mask import CLEAN, CONDITION, causal_mask
from .model import CAT, Cache, CausalGeDNet, half_on_cuda

if TYPE_CHECKING:
    from . import CausalGeD

LATENT_RANGE = 4.0  # standard deviations; latents of known genes hardly ever lie outside


@torch.no_grad()
def generate(
    net: CausalGeDNet,
    rows: GeneRows,
    settings: CausalGeD,
    generator: torch.Generator,
    *,
    n_samples: int,
    n_steps: int,
) -> Tensor:
    """Maps of the targets, (n_samples, n_targets, n_spots), between 0 and 1.

    The known genes are the first autoregressive step, the targets the next ``settings.n_ar_infer``, those
    most like a known gene first. With ``generation="direct"`` the profile latents are decoded as they are.
    """
    with half_on_cuda(rows.maps.device):
        profiles = net.encoder.of_profiles(torch.cat((rows.profiles, rows.target_profiles)))
        known, targets = net.profile_scale(profiles).tensor_split([len(rows.profiles)])
        if settings.generation == "direct":
            return net.decoder(profiles[len(known) :])[None]
        context = net.map_scale(net.encoder.of_maps(rows.maps).mean)
        cache = read_context(net.cat, context, known, targets, settings)
        cache = [(k.expand(n_samples, -1, -1, -1), v.expand(n_samples, -1, -1, -1)) for k, v in cache]

        likeness = (normalize(targets) @ normalize(known).T).amax(dim=1)  # (n_targets,), cosine
        order = likeness.argsort(descending=True, stable=True)
        latents = torch.empty(n_samples, *targets.shape, device=targets.device)
        for genes in order.tensor_split(min(settings.n_ar_infer, len(order))):
            latents[:, genes] = denoise(
                net.cat, targets[genes], cache, settings, generator, n_samples, n_steps
            )
            if settings.context == "clean":
                _, cache = net.cat(net.cat.clean_tokens(latents[:, genes], targets[genes]), past=cache)
        return net.decoder(net.map_scale.inverse(latents))


def read_context(cat: CAT, context: Tensor, known: Tensor, targets: Tensor, settings: CausalGeD) -> Cache:
    """Keys and values of the condition tokens of all genes and the clean tokens of the known ones.

    ``context`` are the map latents and ``known`` the profile latents of the known genes, (n_known, latent);
    ``targets`` the profile latents of the targets. Empty for neither condition nor context.
    """
    parts: dict[int, Tensor] = {}
    if settings.cond == "own":
        parts[CONDITION] = cat.condition_tokens(torch.cat((known, targets)))  # (n_known + n_targets, width)
    if settings.context == "clean":
        parts[CLEAN] = cat.clean_tokens(context, known)  # (n_known, width)
    if not parts:
        return []
    kinds = [kind for kind, tokens in parts.items() for _ in tokens]
    kind = torch.tensor(kinds, device=known.device)
    _, cache = cat(torch.cat(list(parts.values()))[None], causal_mask(kind, torch.zeros_like(kind)))
    return cache


def denoise(
    cat: CAT,
    profiles: Tensor,
    cache: Cache,
    settings: CausalGeD,
    generator: torch.Generator,
    n_samples: int,
    n_steps: int,
) -> Tensor:
    """Standardised map latents (n_samples, genes, latent) of the genes of one autoregressive step."""
    alpha_bar = diffusion.cosine_alpha_bar(settings.timesteps).to(profiles.device)
    times = diffusion.sample_times(settings.time_grid().to(profiles.device), n_steps)
    levels = torch.cat((alpha_bar[times], alpha_bar.new_ones(1)))  # after the last step nothing is left

    def normal() -> Tensor:
        return torch.randn(n_samples, *profiles.shape, generator=generator, device=profiles.device)

    x = normal()  # (n_samples, genes, latent)
    for time, now, earlier in zip(times, levels[:-1], levels[1:], strict=True):
        hidden, _ = cat(cat.noisy_tokens(x, profiles, time[None]), past=cache)
        prediction = cat.read(hidden)
        if settings.objective == "eps":
            prediction = diffusion.clean_from_noise(x, prediction, now)
        x0 = prediction.clamp(-LATENT_RANGE, LATENT_RANGE)
        x = diffusion.step_back(x, x0, now, earlier, settings.eta, normal())
    return x
