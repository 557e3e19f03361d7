"""Generation of hidden genes: the context is read once, then the genes are denoised with its cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .mask import CLEAN, CONDITION, causal_mask
from .model import CAT, Cache, CausalGeDNet, GeneRows

if TYPE_CHECKING:
    from . import CausalGeD


@torch.no_grad()
def generate(
    net: CausalGeDNet, rows: GeneRows, settings: CausalGeD, n_samples: int, sample: Callable[..., Tensor]
) -> Tensor:
    """Maps of the targets, (n_samples, n_targets, n_spots), between 0 and 1.

    ``sample(predict, shape)`` is the sampler, see `Diffusion.sample`. The visible genes are the first
    autoregressive step. The targets follow in ``settings.n_ar_infer`` steps, those most similar to a visible
    gene first. With ``generation="direct"`` the profile latents are decoded directly.
    """
    profiles = net.encoder.of_profiles(torch.cat((rows.profiles, rows.target_profiles)))
    known, targets = net.profile_scale(profiles).tensor_split([len(rows.profiles)])
    if settings.generation == "direct":
        return net.decoder(profiles[len(known) :])[None]
    context = net.map_scale(net.encoder.of_maps(rows.maps).mean)
    cache = read_context(net.cat, context, known, targets, settings)
    cache = [(k.expand(n_samples, -1, -1, -1), v.expand(n_samples, -1, -1, -1)) for k, v in cache]

    similarity = (normalize(targets) @ normalize(known).T).amax(dim=1)  # (n_targets,), cosine
    order = similarity.argsort(descending=True, stable=True)
    latents = torch.empty(n_samples, *targets.shape, device=targets.device)
    for genes in order.tensor_split(min(settings.n_ar_infer, len(order))):
        predict = partial(net.cat.predict, targets[genes], cache)
        latents[:, genes] = sample(predict, (n_samples, *targets[genes].shape))  # standardised
        if settings.sees_clean:
            _, cache = net.cat(net.cat.clean_tokens(latents[:, genes], targets[genes]), past=cache)
    return net.decoder(net.map_scale.inverse(latents))


def read_context(cat: CAT, context: Tensor, known: Tensor, targets: Tensor, settings: CausalGeD) -> Cache:
    """Keys and values of the condition tokens of all genes and the clean tokens of the visible genes.

    ``context`` are the map latents and ``known`` the profile latents of the visible genes, (n_visible,
    latent); ``targets`` are the profile latents of the targets. Empty without condition and context.
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
