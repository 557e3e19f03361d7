"""Gaussian diffusion: the cosine schedule, adding noise, and sampling.

The sampler is the strided one of Song et al. 2021 (DDIM, Eq. 12). Ancestral sampling (Ho et al. 2020) is its
case ``eta = 1`` with every time visited.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

MAX_BETA = 0.999  # Nichol and Dhariwal 2021: keeps the last step from dividing by zero


def cosine_alpha_bar(n_times: int) -> Tensor:
    """Share of the signal's variance left at each time, (n_times,), falling from about 1 to about 0, fp32.

    Nichol and Dhariwal 2021, Eq. 17; computed in fp64 because it is a long product.
    """
    u = torch.arange(n_times + 1, dtype=torch.float64) / n_times
    alpha_bar = torch.cos(math.pi / 2 * (u + 0.008) / 1.008) ** 2
    beta = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=MAX_BETA)
    return torch.cumprod(1 - beta, dim=0).float()


def add_noise(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """``x_t``: the clean values with the noise of the time that has this ``alpha_bar``."""
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

    ``now`` and ``earlier`` are the ``alpha_bar`` of the two times; with ``earlier = 1`` (no noise left) the
    result is exactly ``x0``. ``eta`` is the share of fresh noise: 1 is ancestral sampling, 0 is
    deterministic. ``fresh`` is standard normal noise of the shape of ``x_t``.
    """
    sigma = eta * ((1 - earlier) / (1 - now) * (1 - now / earlier)).sqrt()
    noise = noise_from_clean(x_t, x0, now)
    return earlier.sqrt() * x0 + (1 - earlier - sigma**2).clamp(min=0).sqrt() * noise + sigma * fresh


class Diffusion:
    """A cosine schedule, the times in use, and the objective of the network.

    Of the ``n_times`` times of the schedule, training and sampling use the multiples of ``stride``. The
    network predicts the noise (``objective`` eps) or the clean values (x0).
    """

    def __init__(self, n_times: int, objective: str, device: str, *, stride: int = 1):
        self.alpha_bar = cosine_alpha_bar(n_times).to(device)
        self.times = torch.arange(0, n_times, stride, device=device)
        self.objective = objective

    def draw_times(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random times of this shape."""
        chosen = torch.randint(len(self.times), shape, generator=generator, device=self.times.device)
        return self.times[chosen]

    def corrupt(self, x0: Tensor, time: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Clean values (..., n) with the noise of ``time`` (...), and what the network has to predict."""
        noise = torch.randn(x0.shape, generator=generator, device=x0.device)
        noisy = add_noise(x0, noise, self.alpha_bar[time][..., None])
        return noisy, noise if self.objective == "eps" else x0

    @torch.no_grad()
    def sample(
        self,
        predict: Callable[[Tensor, Tensor], Tensor],
        shape: tuple[int, ...],
        n_steps: int,
        generator: torch.Generator,
        *,
        eta: float,
        limit: float = 1.0,
    ) -> Tensor:
        """Clean values of this shape from pure noise, in ``n_steps`` steps.

        ``predict(x_t, t)`` is the network; the clean values from its prediction are clipped to ±``limit``.
        ``generator`` draws all noise, ``eta`` is that of `step_back`.
        """
        x = torch.randn(shape, generator=generator, device=self.times.device)
        times = sample_times(self.times, n_steps)
        levels = torch.cat((self.alpha_bar[times], self.alpha_bar.new_ones(1)))
        for t, now, earlier in zip(times, levels[:-1], levels[1:], strict=True):
            x0 = predict(x, t)
            if self.objective == "eps":
                x0 = clean_from_noise(x, x0, now)
            fresh = torch.randn(shape, generator=generator, device=x.device)
            x = step_back(x, x0.clamp(-limit, limit), now, earlier, eta, fresh)
        return x
