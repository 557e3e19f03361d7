"""A diffusion model in training: the part that `causalged`, `spadit` and `stdiff` share."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, mse_loss
from torch.optim.swa_utils import get_ema_multi_avg_fn

from stbench.method import Context
from stbench.toolbox.nn.diffusion import Diffusion
from stbench.toolbox.nn.dit import initialise

Net = TypeVar("Net", bound=nn.Module)
PURPOSES = ("weights", "training", "sampling")
WITH_STATE = ("net", "average", "adamw")


@dataclass(frozen=True)
class Optimisation:
    """AdamW without weight decay."""

    lr: float
    warmup: int = 1  # updates until the full rate
    betas: tuple[float, float] = (0.9, 0.999)  # decays of the averages of the gradient and its square
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.0  # decay of the moving average of the weights; 0: no average


class DiffusionLearner(Generic[Net]):
    """A network, its diffusion, its optimiser and its random draws.

    A method adds its data, `loss` and `predict`. An update uses ``batch`` of the ``n_rows`` training rows.
    ``average`` has the averaged weights, or is the network itself.
    """

    def __init__(
        self,
        net: Net,
        ctx: Context,
        diffusion: Diffusion,
        optimisation: Optimisation,
        *,
        n_rows: int,
        batch: int,
    ):
        self.net, self.ctx, self.diffusion, self.optimisation = net, ctx, diffusion, optimisation
        self.n_rows, self.batch = n_rows, batch
        self.average = copy.deepcopy(net).requires_grad_(False) if optimisation.ema else net
        self.weights = list(net.parameters())  # to list them takes as long as a step of the optimiser
        self.averaged = list(self.average.parameters())
        self.adamw = torch.optim.AdamW(
            self.weights, optimisation.lr, optimisation.betas, weight_decay=0.0, fused=True
        )
        self.generator = generator(ctx.seed, "training", ctx.device)
        self.batches: list[Tensor] = []  # the rest of this epoch
        self.done = 0

    def loss(self, rows: Tensor) -> Tensor:
        """The loss on the training rows with these numbers, (batch,), a scalar."""
        raise NotImplementedError

    def predict(self) -> np.ndarray:
        """Values of the targets on the scale of ``X``, (n_spots, n_targets); changes no state."""
        raise NotImplementedError

    def check(self) -> np.ndarray:
        """Values of the targets on any scale, with fewer steps of a slow sampler; changes no state."""
        return self.predict()

    def next_batch(self) -> Tensor:
        """Row numbers for an update, (batch,); an epoch takes all rows in a new order."""
        if not self.batches:
            order = torch.randperm(self.n_rows, generator=self.generator, device=self.ctx.device)
            self.batches = list(even_batches(order, self.batch))
        return self.batches.pop(0)

    def update(self) -> Tensor:
        """Take one step of the optimiser; the loss before it, a scalar."""
        for group in self.adamw.param_groups:
            group["lr"] = self.optimisation.lr * min(1.0, (self.done + 1) / self.optimisation.warmup)
        with autocast(self.ctx.device):
            loss = self.loss(self.next_batch())
        self.adamw.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch
        nn.utils.clip_grad_norm_(self.weights, self.optimisation.clip)
        self.adamw.step()
        self.done += 1
        if self.optimisation.ema:
            self.move_average()
        return loss.detach()

    @torch.no_grad()
    def move_average(self) -> None:
        """Move the averaged weights towards the current ones, at first quickly to forget the start."""
        decay = min(self.optimisation.ema, self.done / (self.done + 10))
        get_ema_multi_avg_fn(decay)(self.averaged, self.weights, self.done)  # type: ignore[no-untyped-call]

    def state(self) -> dict[str, Any]:
        """Everything that changes in training."""
        return {name: getattr(self, name).state_dict() for name in WITH_STATE} | {
            "generator": self.generator.get_state(),
            "batches": self.batches,
            "done": self.done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from ``state``, bit by bit on the CPU."""
        for name in WITH_STATE:
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.batches = [batch.to(self.ctx.device) for batch in state["batches"]]
        self.done = state["done"]


def loss_by_zeros(predicted: Tensor, truth: Tensor, zero: Tensor, used: Tensor | bool = True) -> Tensor:
    """Mean squared error outside ``zero`` plus mean Huber loss in it, over the ``used`` entries, a scalar.

    Two means, because in a common mean the zeros of a sparse map would have nearly all the weight.
    """
    parts = (mse_loss, used & ~zero), (huber_loss, used & zero)
    means = [(f(predicted, truth, reduction="none") * at).sum() / at.sum().clamp(min=1) for f, at in parts]
    return means[0] + means[1]


def even_batches(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """``rows`` in order, in the smallest number of batches of at most ``size``, of nearly equal size."""
    return rows.tensor_split(math.ceil(len(rows) / size))


def generator(seed: int, purpose: str, device: str = "cpu") -> torch.Generator:
    """A new generator that depends on the seed and on its purpose, one of `PURPOSES`."""
    state = np.random.SeedSequence((seed, PURPOSES.index(purpose))).generate_state(1)
    return torch.Generator(device).manual_seed(int(state[0]))


def build(
    make: Callable[[], Net], ctx: Context, start: Callable[[Net, torch.Generator], None] = initialise
) -> Net:
    """The network that ``make`` returns, on the device; ``start`` sets its weights, from the seed alone."""
    with torch.random.fork_rng(devices=[]):  # PyTorch draws first weights from the global generator
        net = make()
    start(net, generator(ctx.seed, "weights"))
    return net.to(ctx.device)


def autocast(device: str) -> AbstractContextManager[Any]:
    """bf16 for the network on CUDA, no change on other devices."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")
