"""Training a network for as many updates as the validation genes ask for, in one way for all methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from stbench.method import Context
from stbench.task import Task
from stbench.toolbox.nn.checkpoint import Checkpoint
from stbench.toolbox.nn.dit import initialise
from stbench.toolbox.tuning import mean_pearson

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


@runtime_checkable
class Resumable(Learner, Protocol):
    """A learner whose state can be saved, and restored into a new one that has made no update."""

    def state(self) -> dict[str, Any]:
        """All that changes in training, see `stbench.toolbox.nn.checkpoint.Checkpoint`."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``, to the bit on the CPU."""


class Optimiser:
    """AdamW at a constant rate, without weight decay, with the norm of the gradient clipped at 1."""

    def __init__(self, net: nn.Module, lr: float):
        self.parameters = list(net.parameters())
        self.adamw = torch.optim.AdamW(self.parameters, lr=lr, weight_decay=0.0, fused=True)

    def follow(self, loss: Tensor) -> Tensor:
        """Take one step down ``loss``; the loss, detached."""
        self.adamw.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type here
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


def autocast(device: str) -> AbstractContextManager[Any]:
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
    afresh on train and validation genes and takes as many updates as the best check had. A `Resumable`
    learner goes on from ``ctx.checkpoint`` where there is one.
    """
    checkpoint = Checkpoint(ctx.checkpoint)
    at, state = _resume(checkpoint)
    if not at.search_done:
        inner, truth = task.validation()
        learner = _restored(make(inner), state)
        _search(
            learner, truth, ctx, at, checkpoint,
            max_updates=max_updates, check_every=check_every, patience=patience,
        )  # fmt: skip
        at, state = replace(at, search_done=True, updates=0), None
        del learner  # only one network at a time is in memory
    learner = _restored(make(task), state)
    before = 2 * max_updates - at.best_updates
    while at.updates < at.best_updates:
        loss = learner.update()
        at.updates += 1
        if at.updates % check_every == 0:
            ctx.progress(before + at.updates, 2 * max_updates, loss=float(loss), val=at.best_score)
            _keep(checkpoint, at, learner)
    return learner.predict()


@dataclass
class _Standing:
    """Where a training stands: how far the current learner is, and the best check so far."""

    search_done: bool = False
    updates: int = 0
    best_updates: int = 0
    best_score: float = -math.inf


def _search(
    learner: Learner,
    truth: np.ndarray,
    ctx: Context,
    at: _Standing,
    checkpoint: Checkpoint,
    *,
    max_updates: int,
    check_every: int,
    patience: int | None,
) -> None:
    """Find after how many updates ``learner`` predicts ``truth`` best, the first of equals, into ``at``."""
    while at.updates < max_updates:
        loss = learner.update()
        at.updates += 1
        if at.updates % check_every and at.updates < max_updates:
            continue
        score = mean_pearson(truth, learner.check())
        ctx.log.info("update %d: loss %.4f, validation PCC %.4f", at.updates, loss, score)
        ctx.progress(at.updates, 2 * max_updates, loss=float(loss), val=score)
        if score > at.best_score:
            at.best_updates, at.best_score = at.updates, score
        elif patience is not None and at.updates - at.best_updates >= patience * check_every:
            return
        _keep(checkpoint, at, learner)


def _resume(checkpoint: Checkpoint) -> tuple[_Standing, dict[str, Any] | None]:
    saved = checkpoint.load()
    return (_Standing(), None) if saved is None else (_Standing(**saved["at"]), saved["learner"])


def _restored(learner: Learner, state: dict[str, Any] | None) -> Learner:
    if state is not None and isinstance(learner, Resumable):
        learner.restore(state)
    return learner


def _keep(checkpoint: Checkpoint, at: _Standing, learner: Learner) -> None:
    if isinstance(learner, Resumable) and checkpoint.due():
        checkpoint.save({"at": asdict(at), "learner": learner.state()})
