"""Training a network for as many updates as the validation genes ask for, in one way for all methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from stbench.method import Context
from stbench.task import Task
from stbench.toolbox.nn.checkpoint import Checkpoint
from stbench.toolbox.nn.dit import initialise
from stbench.toolbox.tuning import mean_pearson

PURPOSES = ("weights", "training", "sampling")


class Learner(Protocol):
    """A network in training on one task."""

    def update(self) -> Tensor:
        """Take one step of the optimiser; the loss before it, a scalar."""

    def check(self) -> np.ndarray:
        """Values of the task's targets on any scale, perhaps from a cheaper sampler; changes no state."""

    def predict(self) -> np.ndarray:
        """Values of the task's targets on the scale of ``X``, (n_spots, n_targets); changes no state."""

    def state(self) -> dict[str, Any]:
        """All that changes in training, see `stbench.toolbox.nn.checkpoint.Checkpoint`."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``, to the bit on the CPU, in a learner that has made no update."""


def generator(seed: int, purpose: str, device: str = "cpu") -> torch.Generator:
    """A fresh generator that depends on the seed and on its purpose, one of `PURPOSES`."""
    state = np.random.SeedSequence((seed, PURPOSES.index(purpose))).generate_state(1)
    return torch.Generator(device).manual_seed(int(state[0]))


def build(make: Callable[[], nn.Module], ctx: Context) -> nn.Module:
    """The network that ``make`` returns, on the device, with weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):  # PyTorch draws first weights from the global generator
        net = make()
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
    afresh on train and validation genes and takes as many updates as the best check had. Training goes on
    from ``ctx.checkpoint`` where there is one.
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
    if state is not None:
        learner.restore(state)
    return learner


def _keep(checkpoint: Checkpoint, at: _Standing, learner: Learner) -> None:
    if checkpoint.due():
        checkpoint.save({"at": asdict(at), "learner": learner.state()})
