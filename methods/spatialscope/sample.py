"""Decomposition of spots into cells: annealed Langevin sampling, given the visible genes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stbench.errors import StbenchError

from .data import Spots
from .score_model import ScoreNet, rows_of

Score = Callable[[Tensor, Tensor], Tensor]  # (noisy centred expression, noise level) -> minus the noise
TRIES = 5


@dataclass(frozen=True)
class Schedule:
    """The annealing."""

    sigmas: Tensor  # (n_levels,), falling noise levels
    n_inner: int  # steps at each level
    step: float  # size of a step in units of the squared noise level
    power: float  # exponent p of the data term


@torch.inference_mode()
def decompose(
    net: ScoreNet,
    means: Tensor,
    spots: Spots,
    schedule: Schedule,
    generator: torch.Generator,
    *,
    n_replicates: int,
    rows: int,
    progress: Callable[..., None] = lambda done, total: None,
) -> Tensor:
    """Mean expression of the cells of every spot, (n_spots, n_genes), linear scale of the reference.

    The replicates of a spot are rows of one batch of ``rows`` cells. The features of the type means,
    ``means`` (n_types, n_genes), are computed once. A spot whose draw overflows is drawn again.
    """
    films = net.type_features(means)
    n_spots, n_cells = spots.types.shape
    order = torch.arange(n_spots, device=means.device).repeat_interleave(n_replicates)
    result = means.new_empty((len(order), means.shape[1]))
    for todo in torch.arange(len(order), device=means.device).split(max(rows // n_cells, 1)):
        done = int(todo[-1]) + 1
        for _ in range(TRIES):
            types = spots.types[order[todo]]  # (n_todo, n_cells)
            score = partial(net, films=rows_of(films, types.flatten()))
            target = spots.target[order[todo]]
            log_cells = langevin(score, means[types.flatten()], target, spots.seen, schedule, generator)
            result[todo] = log_cells.expm1().clamp(min=0).view(*types.shape, -1).mean(dim=1)
            todo = todo[~result[todo].isfinite().all(dim=1)]
            if len(todo) == 0:
                break
        else:
            raise StbenchError(f"Spot overflowed {TRIES} times. Train longer or set spatialscope.step lower.")
        progress(done, len(order))
    return result.view(n_spots, n_replicates, -1).mean(dim=1)


def langevin(
    score: Score, means: Tensor, target: Tensor, seen: Tensor, schedule: Schedule, generator: torch.Generator
) -> Tensor:
    """Log expression (n_spots * n_cells, n_genes), drawn from the prior and pulled to the visible genes.

    At every noise level ``x <- x + eta (f(x) / sigma - sigma^-p g) + sqrt(2 eta) z`` with
    ``eta = step sigma^2``; at the end one step along the score without noise. ``x`` is centred by ``means``,
    the type mean of every cell. The cells of a spot are consecutive rows.
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

    The sum of the cells of a spot should be ``n_cells`` times ``target`` (n_spots, n_visible) on the linear
    scale. An empty spot has gradient 0.
    """
    n_cells = len(log_cells) // len(target)
    values = log_cells.exp()
    total = (values - 1).view(len(target), n_cells, -1).sum(dim=1)
    excess = (total - n_cells * target).clamp(-1, 1).repeat_interleave(n_cells, dim=0)
    filled = target.any(dim=1, keepdim=True).repeat_interleave(n_cells, dim=0)
    return torch.where(filled, (values * excess).clamp(-2, 2), 0.0)
