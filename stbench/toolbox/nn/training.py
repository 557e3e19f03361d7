"""Training a network for as many updates as the validation genes ask for, in one way for all methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from stbench.method import Context
from stbench.task import Task
from stbench.toolbox.nn.checkpoint import Checkpoint
from stbench.toolbox.tuning import mean_pearson


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


@dataclass
class _Standing:
    """Where a training stands: how far the current learner is, and the best check so far."""

    search_done: bool = False
    updates: int = 0
    best_updates: int = 0
    best_score: float = -math.inf


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
    afresh on train and validation genes and takes as many updates as the best check had, the first of equals.
    Training goes on from ``ctx.checkpoint`` where there is one.
    """
    checkpoint = Checkpoint(ctx.checkpoint)
    saved = checkpoint.load() or {"at": {}, "learner": None}
    at, state = _Standing(**saved["at"]), saved["learner"]

    def start(part: Task) -> Learner:
        learner = make(part)
        if state is not None:
            learner.restore(state)
        return learner

    def report(learner: Learner, done: int, loss: Tensor, score: float) -> None:
        ctx.progress(done, 2 * max_updates, loss=float(loss), val=score)
        if checkpoint.due():
            checkpoint.save({"at": asdict(at), "learner": learner.state()})

    if not at.search_done:
        inner, truth = task.validation()
        learner = start(inner)
        longest = math.inf if patience is None else patience * check_every  # without a better check
        while at.updates < min(max_updates, at.best_updates + longest):
            loss = learner.update()
            at.updates += 1
            if at.updates % check_every == 0 or at.updates == max_updates:
                score = mean_pearson(truth, learner.check())
                ctx.log.info("update %d: loss %.4f, validation PCC %.4f", at.updates, loss, score)
                if score > at.best_score:
                    at.best_updates, at.best_score = at.updates, score
                report(learner, at.updates, loss, score)
        at.search_done, at.updates, state = True, 0, None
        del learner  # only one network at a time is in memory
    learner = start(task)
    skipped = 2 * max_updates - at.best_updates
    while at.updates < at.best_updates:
        loss = learner.update()
        at.updates += 1
        if at.updates % check_every == 0:
            report(learner, skipped + at.updates, loss, at.best_score)
    return learner.predict()
