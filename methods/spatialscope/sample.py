"""Decomposition of spots into cells: annealed Langevin sampling, given the visible genes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stbench.errors import StbenchError

from .score_model import Film, ScoreNet, rows_of
from .spots import Spots

Score = Callable[[Tensor, Tensor], Tensor]  # (noisy centred expression, noise level) -> minus the noise
TRIES = 5


@dataclass(frozen=True)
class Schedule:
    """How to anneal.

    ``sigmas`` (n_levels,) are the noise levels, falling; ``n_inner`` the steps at each; ``step`` the size of
    a step in units of the squared noise level; ``power`` the exponent p of the data term.
    """

    sigmas: Tensor
    n_inner: int
    step: float
    power: float


def decompose(
    net: ScoreNet,
    means: Tensor,
    spots: Spots,
    schedule: Schedule,
    generator: torch.Generator,
    *,
    n_replicates: int,
    rows: int = 2048,
    progress: Callable[..., None] = lambda done, total: None,
) -> Tensor:
    """Mean expression of the cells of every spot, (n_spots, n_genes), linear scale of the reference.

    Replicates are stacked into the batch, ``rows`` cells at once. The features of the type means, ``means``
    (n_types, n_genes), are computed once.
    """
    with torch.inference_mode():
        films = net.type_features(means)
        n_spots, n_cells = spots.types.shape
        order = torch.arange(n_spots, device=means.device).repeat_interleave(n_replicates)
        done: list[Tensor] = []
        for chunk in order.split(max(rows // n_cells, 1)):
            done.append(_decompose_some(net, films, means, spots, chunk, schedule, generator))
            progress(sum(map(len, done)), len(order))
        return torch.cat(done).view(n_spots, n_replicates, -1).mean(dim=1)


def _decompose_some(
    net: ScoreNet,
    films: list[Film],
    means: Tensor,
    spots: Spots,
    chunk: Tensor,
    schedule: Schedule,
    generator: torch.Generator,
) -> Tensor:
    """Mean cells of the spots in ``chunk``, (len(chunk), n_genes); overflowing ones are drawn again."""
    result = means.new_full((len(chunk), means.shape[1]), torch.nan)
    for _ in range(TRIES):
        todo = torch.nonzero(~result.isfinite().all(dim=1))[:, 0]
        if len(todo) == 0:
            break
        types = spots.types[chunk[todo]]
        own = rows_of(films, types.flatten())
        log_cells = langevin(
            partial(net, films=own),
            means[types.flatten()],
            spots.target[chunk[todo]],
            spots.seen,
            schedule,
            generator,
        )
        result[todo] = log_cells.expm1().clamp(min=0).view(*types.shape, -1).mean(dim=1)
    if not result.isfinite().all():
        raise StbenchError(
            f"The sampler of 'spatialscope' overflowed at a spot in {TRIES} tries. Train longer, or take a "
            "smaller spatialscope.step."
        )
    return result


def langevin(
    score: Score, means: Tensor, target: Tensor, seen: Tensor, schedule: Schedule, generator: torch.Generator
) -> Tensor:
    """Log expression (n_spots * n_cells, n_genes), drawn from the prior and pulled to the visible genes.

    At every noise level ``x <- x + eta (f(x) / sigma - sigma^-p g) + sqrt(2 eta) z`` with
    ``eta = step sigma^2``; at the end one step along the score without noise. ``x`` is centred by ``means``,
    the type mean of every cell; the cells of a spot follow one another.
    """

    def noise() -> Tensor:
        return torch.randn(means.shape, generator=generator, device=means.device)

    x = noise()
    for sigma in schedule.sigmas.to(means.device):
        eta = schedule.step * sigma**2
        for _ in range(schedule.n_inner):
            drift = score(x, sigma) / sigma
            drift[:, seen] -= sigma**-schedule.power * misfit(x[:, seen] + means[:, seen], target)
            x = x + eta * drift + (2 * eta).sqrt() * noise()
    return x + sigma * score(x, sigma) + means


def misfit(log_cells: Tensor, target: Tensor) -> Tensor:
    """Clipped gradient of half the squared distance to the target, (n_spots * n_cells, n_visible).

    The cells of a spot shall sum to ``n_cells`` times ``target`` (n_spots, n_visible) on the linear scale; an
    empty spot, whose target is zero everywhere, is not pulled.
    """
    n_cells = len(log_cells) // len(target)
    values = log_cells.exp()
    total = (values - 1).view(len(target), n_cells, -1).sum(dim=1)
    excess = (total - n_cells * target).clamp(-1, 1).repeat_interleave(n_cells, dim=0)
    asked = target.any(dim=1, keepdim=True).repeat_interleave(n_cells, dim=0)
    return torch.where(asked, (values * excess).clamp(-2, 2), 0.0)
