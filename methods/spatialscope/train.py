"""Training of the score network by denoising."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .data import Cells
from .score_model import ScoreNet, build, rows_of

if TYPE_CHECKING:
    from . import SpatialScope

SNAPSHOTS = 2  # moments of the training to choose from: half of it, and all


def noise_levels(largest: float, smallest: float, n_levels: int) -> Tensor:
    """Geometric noise levels from the largest to the smallest, (n_levels,)."""
    ratio = torch.linspace(0, 1, n_levels, dtype=torch.float64)
    return (largest * (smallest / largest) ** ratio).float()


def denoising_loss(
    net: ScoreNet, centred: Tensor, types: Tensor, means: Tensor, sigma: Tensor, noise: Tensor
) -> Tensor:
    """``E |f(r + sigma z | mu) + z|``, mean over cells and genes.

    ``centred`` and ``noise`` are (n, n_genes), ``sigma`` and ``types`` (n,), ``means`` (n_types, n_genes).
    """
    films = rows_of(net.type_features(means), types)
    return (net(centred + sigma[:, None] * noise, sigma, films).float() + noise).abs().mean()


def train(
    cells: Cells,
    settings: SpatialScope,
    sigmas: Tensor,
    generator: torch.Generator,
    progress: Callable[..., None],
) -> list[ScoreNet]:
    """Networks with averaged weights, at `SNAPSHOTS` evenly spaced moments; without ``tune`` at the end."""
    device = generator.device
    means = torch.from_numpy(cells.means).to(device)
    types = torch.from_numpy(cells.types).to(device)
    centred = torch.from_numpy(cells.values).to(device) - means[types]
    sigmas = sigmas.to(device)
    net = build(len(cells.genes), settings.width, generator)
    average = copy.deepcopy(net).requires_grad_(False)
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.lr)
    n_updates = settings.updates(len(cells.values))
    snapshots = SNAPSHOTS if settings.tune else 1
    moments = {round(n_updates * (i + 1) / snapshots) for i in range(snapshots)}
    kept = []
    for step in range(1, n_updates + 1):
        rows = torch.randint(len(centred), (settings.batch,), generator=generator, device=device)
        levels = torch.randint(len(sigmas), (settings.batch,), generator=generator, device=device)
        noise = torch.randn((settings.batch, centred.shape[1]), generator=generator, device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = denoising_loss(net, centred[rows], types[rows], means, sigmas[levels], noise)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        decay = min(settings.ema, (1 + step) / (10 + step))  # a short training must forget its start
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)
        if step in moments:
            kept.append(copy.deepcopy(average).eval())
        if step % 20 == 0 or step == n_updates:
            progress(step, n_updates, loss=loss.item())
    return kept
