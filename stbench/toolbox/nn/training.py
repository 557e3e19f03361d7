"""Training of a network for the number of updates that is best for the validation genes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from stbench.method import Context
from stbench.task import Task
from stbench.toolbox.nn.checkpoint import Checkpoint
from stbench.toolbox.nn.learner import DiffusionLearner
from stbench.toolbox.tuning import mean_pearson


@dataclass
class _Position:
    """How far the current learner is, and the best check so far."""

    search_done: bool = False
    updates: int = 0
    best_updates: int = 0
    best_score: float = -math.inf


def train_and_predict(
    make: Callable[[Task], DiffusionLearner[Any]],
    task: Task,
    ctx: Context,
    *,
    max_updates: int,
    check_every: int,
    patience: float = math.inf,
) -> np.ndarray:
    """Targets as predicted after the number of updates that is best for the validation genes.

    A first learner sees the train genes only. Every ``check_every`` updates it predicts the validation genes,
    until ``patience`` checks in a row bring no better mean Pearson correlation. A second learner then starts
    anew on train and validation genes and takes as many updates as the best check had, the first of equals.
    Training continues from ``ctx.checkpoint`` where there is one.
    """
    checkpoint = Checkpoint(ctx.checkpoint)
    saved = checkpoint.load() or {}
    at = _Position(**saved.get("at", {}))

    def start(part: Task) -> DiffusionLearner[Any]:
        learner = make(part)
        if state := saved.pop("learner", None):
            learner.restore(state)
        return learner

    def report(learner: DiffusionLearner[Any], done: int, loss: Tensor, score: float) -> None:
        ctx.progress(done, 2 * max_updates, loss=float(loss), val=score)
        if checkpoint.due():
            checkpoint.save({"at": asdict(at), "learner": learner.state()})

    if not at.search_done:
        inner, truth = task.validation()
        learner = start(inner)
        while at.updates < min(max_updates, at.best_updates + patience * check_every):
            loss = learner.update()
            at.updates += 1
            if at.updates % check_every == 0 or at.updates == max_updates:
                score = mean_pearson(truth, learner.check())
                ctx.log.info("update %d: loss %.4f, validation PCC %.4f", at.updates, loss, score)
                if score > at.best_score:
                    at.best_updates, at.best_score = at.updates, score
                report(learner, at.updates, loss, score)
        at.search_done, at.updates = True, 0
        del learner  # only one network at a time is in memory
    ctx.chosen(updates=at.best_updates)
    learner = start(task)
    skipped = 2 * max_updates - at.best_updates
    while at.updates < at.best_updates:
        loss = learner.update()
        at.updates += 1
        if at.updates % check_every == 0:
            report(learner, skipped + at.updates, loss, at.best_score)
    return learner.predict()
