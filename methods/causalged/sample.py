"""Generation of hidden genes: the context is read once, then the genes are denoised against its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stbench.toolbox.nn.diffusion import clean_from_noise, cosine_alpha_bar, denoise, sample_times

from .data import GeneRows
from .mask import CLEAN, CONDITION, causal_mask
from .model import CAT, Cache, CausalGeDNet

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

    The visible genes are the first autoregressive step, the targets the next ``settings.n_ar_infer``, those
    most like a visible gene first. With ``generation="direct"`` the profile latents are decoded as they are.
    """
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
        one_step = sample_latents(net.cat, targets[genes], cache, settings, generator, n_samples, n_steps)
        latents[:, genes] = one_step
        if settings.sees_clean:
            _, cache = net.cat(net.cat.clean_tokens(one_step, targets[genes]), past=cache)
    return net.decoder(net.map_scale.inverse(latents))


def read_context(cat: CAT, context: Tensor, known: Tensor, targets: Tensor, settings: CausalGeD) -> Cache:
    """Keys and values of the condition tokens of all genes and the clean tokens of the visible ones.

    ``context`` are the map latents and ``known`` the profile latents of the visible genes, (n_visible,
    latent); ``targets`` the profile latents of the targets. Empty with neither condition nor context.
    """
    parts: dict[int, Tensor] = {}
    if settings.cond == "own":
        parts[CONDITION] = cat.condition_tokens(torch.cat((known, targets)))  # (all genes, width)
    if settings.sees_clean:
        parts[CLEAN] = cat.clean_tokens(context, known)  # (n_visible, width)
    if not parts:
        return []
    kind = torch.tensor([kind for kind, tokens in parts.items() for _ in tokens], device=known.device)
    _, cache = cat(torch.cat(list(parts.values()))[None], causal_mask(kind, torch.zeros_like(kind)))
    return cache


def sample_latents(
    cat: CAT,
    profiles: Tensor,
    cache: Cache,
    settings: CausalGeD,
    generator: torch.Generator,
    n_samples: int,
    n_steps: int,
) -> Tensor:
    """Standardised map latents (n_samples, genes, latent) of the genes of one autoregressive step.

    ``profiles`` (genes, latent) are their standardised profile latents, ``cache`` what they may see.
    """
    device = profiles.device
    alpha_bar = cosine_alpha_bar(settings.timesteps).to(device)

    def clean(x: Tensor, time: Tensor) -> Tensor:
        hidden, _ = cat(cat.noisy_tokens(x, profiles, time[None]), past=cache)
        prediction = cat.read(hidden)  # (n_samples, genes, latent)
        if settings.objective == "x0":
            return prediction
        return clean_from_noise(x, prediction, alpha_bar[time])

    return denoise(
        clean,
        torch.randn(n_samples, *profiles.shape, generator=generator, device=device),
        sample_times(settings.time_grid().to(device), n_steps),
        alpha_bar,
        eta=settings.eta,
        limit=LATENT_RANGE,
        generator=generator,
    )
