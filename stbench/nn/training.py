"""Training a network for as many updates as the validation genes ask for, in one way for all methods."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from stbench.methods import Context, Task
from stbench.nn.dit import initialise
from stbench.tuning import mean_pearson

MAX_GRADIENT_NORM = 1.0
PURPOSES = ("weights", "training", "sampling")


class Learner(Protocol):
    """A network in training on one task."""

    def update(self) -> Tensor:
        """Take one step of the optimiser; the loss before it, a scalar."""

    def check(self) -> np.ndarray:
        """As `predict`, where that is dear by a cheaper sampler; on any scale; changes no state."""

    def predict(self) -> np.ndarray:
        """Values of the task's targets on the scale of ``X``, (n_spots, n_targets); changes no state."""


class Optimiser:
    """AdamW at a constant rate, without weight decay, with the norm of the gradient clipped at 1."""

    def __init__(self, net: nn.Module, lr: float):
        self.parameters = list(net.parameters())
        self.adamw = torch.optim.AdamW(self.parameters, lr=lr, weight_decay=0.0, fused=True)

    def follow(self, loss: Tensor) -> Tensor:
        """Take one step down ``loss``; the loss, detached."""
        self.adamw.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
        self.adamw.step()
        return loss.detach()


def generator(seed: int, purpose: str, device: str = "cpu") -> torch.Generator:
    """A fresh generator that depends on the seed and on its purpose, one of `PURPOSES`."""
    state = np.random.SeedSequence((seed, PURPOSES.index(purpose))).generate_state(1)
    return torch.Generator(device).manual_seed(int(state[0]))


def build(make: Callable[[], nn.Module], ctx: Context) -> nn.Module:
    """The network that ``make`` returns, on the device, with weights that depend on the seed alone."""
    with torch.device("meta"):  # no weights yet, so that the global generator is not touched
        net = make()
    net.to_empty(device="cpu")
    initialise(net, generator(ctx.seed, "weights"))
    return net.to(ctx.device)


def autocast(device: str) -> AbstractContextManager:
    """bf16 for the network on CUDA, nothing elsewhere."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")


def train_and_predict(
    make: Callable[[Task], Learner],
    task: Task,
    ctx: Context,
    *,
    max_updates: int,
    check_every: int,
    patience: int | None = None,
) -> np.ndarray:
    """Targets as predicted after the number of updates that is best for the validation genes.

    A first learner sees the train genes only. Every ``check_every`` updates it predicts the validation genes,
    until ``patience`` checks in a row bring no better mean Pearson correlation. A second learner then starts
    afresh on train and validation genes and takes as many updates as the best check had.
    """
    inner, truth = task.validation()
    best_updates, best_score = _best_updates(
        make(inner), truth, ctx, max_updates=max_updates, check_every=check_every, patience=patience
    )
    learner = make(task)  # the first one is gone by now: only one network at a time is in memory
    before = 2 * max_updates - best_updates
    for done in range(1, best_updates + 1):
        loss = learner.update()
        if done % check_every == 0:
            ctx.progress(before + done, 2 * max_updates, loss=float(loss), val=best_score)
    return learner.predict()


def _best_updates(
    learner: Learner,
    truth: np.ndarray,
    ctx: Context,
    *,
    max_updates: int,
    check_every: int,
    patience: int | None,
) -> tuple[int, float]:
    """After how many updates ``learner`` predicts ``truth`` best, and how well; the first of equals."""
    best_updates, best_score = 0, -np.inf
    for done in range(1, max_updates + 1):
        loss = learner.update()
        if done % check_every and done < max_updates:
            continue
        score = mean_pearson(truth, learner.check())
        ctx.log.info("update %d: loss %.4f, validation PCC %.4f", done, loss, score)
        ctx.progress(done, 2 * max_updates, loss=float(loss), val=score)
        if score > best_score:
            best_updates, best_score = done, score
        elif patience is not None and done - best_updates >= patience * check_every:
            break
    return best_updates, best_score
