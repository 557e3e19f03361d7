"""Gaussian diffusion: the cosine schedule, the way into noise, and the way back.

The way back is the strided sampler of Song et al. 2021 (DDIM, Eq. 12), of which ancestral sampling (Ho et
al. 2020) is the case ``eta = 1`` with every time visited.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

MAX_BETA = 0.999  # Nichol and Dhariwal 2021: keeps the last step from dividing by zero


def cosine_alpha_bar(n_times: int) -> Tensor:
    """Share of the signal's variance left at each time, (n_times,), falling from about 1 to about 0, fp32.

    Nichol and Dhariwal 2021, Eq. 17; computed in fp64 since it is a long product.
    """
    u = torch.arange(n_times + 1, dtype=torch.float64) / n_times
    alpha_bar = torch.cos(math.pi / 2 * (u + 0.008) / 1.008) ** 2
    beta = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=MAX_BETA)
    return torch.cumprod(1 - beta, dim=0).float()


def add_noise(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """``x_t``: the clean values after the time whose ``alpha_bar`` is given."""
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise


def clean_from_noise(x_t: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """The clean values that would give ``x_t`` with this noise."""
    return (x_t - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()


def noise_from_clean(x_t: Tensor, x0: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noise that would give ``x_t`` from these clean values."""
    return (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()


def sample_times(grid: Tensor, n_steps: int) -> Tensor:
    """At most ``n_steps`` times spread evenly over ``grid``, both ends included, latest first."""
    chosen = torch.linspace(0, len(grid) - 1, min(n_steps, len(grid)), dtype=torch.float64).round().long()
    return grid[chosen].flip(0)


def step_back(x_t: Tensor, x0: Tensor, now: Tensor, earlier: Tensor, eta: float, fresh: Tensor) -> Tensor:
    """``x`` at the earlier time, given ``x_t`` and an estimate ``x0`` of the clean values.

    ``now`` and ``earlier`` are the ``alpha_bar`` of the two times; with ``earlier = 1`` (nothing left to
    remove) the answer is exactly ``x0``. ``eta`` is the share of fresh noise: 1 is ancestral sampling, 0 is
    deterministic. ``fresh`` is standard normal noise of the shape of ``x_t``.
    """
    sigma = eta * ((1 - earlier) / (1 - now) * (1 - now / earlier)).sqrt()
    noise = noise_from_clean(x_t, x0, now)
    return earlier.sqrt() * x0 + (1 - earlier - sigma**2).clamp(min=0).sqrt() * noise + sigma * fresh


@torch.no_grad()
def denoise(
    predict: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    times: Tensor,
    alpha_bar: Tensor,
    *,
    eta: float,
    limit: float,
    generator: torch.Generator,
) -> Tensor:
    """Clean values from pure noise ``x``, of the same shape.

    ``predict(x_t, t)`` estimates the clean values, which are then held within ±``limit``; ``times`` come
    latest first, as from `sample_times`; ``generator`` draws the fresh noise.
    """
    levels = torch.cat((alpha_bar[times], alpha_bar.new_ones(1)))
    for t, now, earlier in zip(times, levels[:-1], levels[1:], strict=True):
        x0 = predict(x, t).clamp(-limit, limit)
        fresh = torch.randn(x.shape, generator=generator, device=x.device)
        x = step_back(x, x0, now, earlier, eta, fresh)
    return x
