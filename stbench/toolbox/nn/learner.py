"""A diffusion model in training: what `causalged`, `spadit` and `stdiff` share."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from stbench.method import Context
from stbench.toolbox.nn.diffusion import clean_from_noise, cosine_alpha_bar, denoise, sample_times
from stbench.toolbox.nn.training import generator

Net = TypeVar("Net", bound=nn.Module)


class DiffusionLearner(Generic[Net]):
    """A network, its optimiser (AdamW without weight decay), the cosine schedule and the random draws.

    A method adds its data, `loss`, `check` and `predict`. All that changes in training is in `state`.

    Parameters
    ----------
    net
        The network, on the device.
    lr, betas, clip, warmup
        Rate and momenta of AdamW, largest norm of the gradient, updates until the full rate.
    n_times
        Times of the schedule.
    averaging
        Decay of the moving average of the weights, ``average``; 0: ``average`` is the network itself.
    """

    def __init__(
        self,
        net: Net,
        ctx: Context,
        *,
        lr: float,
        n_times: int,
        betas: tuple[float, float] = (0.9, 0.999),
        clip: float = 1.0,
        warmup: int = 1,
        averaging: float = 0.0,
    ):
        self.ctx = ctx
        self.net = net
        self.average = copy.deepcopy(net).requires_grad_(False) if averaging else net
        self.lr, self.clip, self.warmup, self.averaging = lr, clip, warmup, averaging
        self.adamw = torch.optim.AdamW(net.parameters(), lr, betas, weight_decay=0.0, fused=True)
        self.alpha_bar = cosine_alpha_bar(n_times).to(ctx.device)
        self.rng = np.random.default_rng(ctx.seed)  # draws orders, on the host
        self.generator = generator(ctx.seed, "training", ctx.device)  # draws noise, on the device
        self.batches: list[Tensor] = []  # the rest of this epoch
        self.done = 0

    def loss(self) -> Tensor:
        """The loss of the next update, a scalar."""
        raise NotImplementedError

    def update(self) -> Tensor:
        """Take one step of the optimiser; the loss before it, a scalar."""
        for group in self.adamw.param_groups:
            group["lr"] = self.lr * min(1.0, (self.done + 1) / self.warmup)
        loss = self.loss()
        self.adamw.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch
        nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        self.adamw.step()
        self.done += 1
        if self.averaging:
            self.move_average()
        return loss.detach()

    @torch.no_grad()
    def move_average(self) -> None:
        """Move the averaged weights towards the current ones, at first quickly: they forget the start."""
        decay = min(self.averaging, self.done / (self.done + 10))
        for average, weight in zip(self.average.parameters(), self.net.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)

    def next_batch(self, n_rows: int, size: int) -> Tensor:
        """Numbers of rows, (about ``size``,): every epoch takes all in a new order, in nearly equal parts."""
        if not self.batches:
            order = torch.randperm(n_rows, generator=self.generator, device=self.ctx.device)
            self.batches = list(order.tensor_split(math.ceil(n_rows / size)))
        return self.batches.pop(0)

    def sample(
        self,
        estimate: Callable[[Tensor, Tensor], Tensor],
        shape: tuple[int, ...],
        *,
        n_steps: int,
        objective: str,
        sampler: str,
        fresh: torch.Generator,
    ) -> Tensor:
        """Clean values of ``shape`` in [-1, 1], made from noise that ``fresh`` draws.

        ``estimate(x_t, t)`` is the noise (``objective`` eps) or the clean values (x0); ``sampler`` is
        ``ancestral`` or ``ddim``, in ``n_steps`` steps.
        """
        times = torch.arange(len(self.alpha_bar), device=self.ctx.device)

        def clean(x: Tensor, t: Tensor) -> Tensor:
            answer = estimate(x, t)
            return answer if objective == "x0" else clean_from_noise(x, answer, self.alpha_bar[t])

        return denoise(
            clean,
            torch.randn(shape, generator=fresh, device=self.ctx.device),
            sample_times(times, n_steps),
            self.alpha_bar,
            eta=1.0 if sampler == "ancestral" else 0.0,
            limit=1.0,
            generator=fresh,
        )

    def state(self) -> dict[str, Any]:
        """Weights, their average, the optimiser, and where the random draws are."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "adamw": self.adamw.state_dict(),
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state(),
            "batches": list(self.batches),
            "done": self.done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``, to the bit on the CPU."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.adamw.load_state_dict(state["adamw"])
        self.rng.bit_generator.state = state["rng"]
        self.generator.set_state(state["generator"])
        self.batches = [batch.to(self.ctx.device) for batch in state["batches"]]
        self.done = state["done"]
