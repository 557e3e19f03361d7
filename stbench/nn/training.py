"""Training with the number of steps chosen on the validation genes, in one way for all networks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from stbench.methods import Context, Task
from stbench.tuning import mean_pearson

MAX_GRADIENT_NORM = 1.0


class Learner(Protocol):
    """A network in training on one task."""

    def step(self) -> Tensor:
        """Take one step of the optimiser; the loss before it, a scalar."""

    def predict(self) -> np.ndarray:
        """Values of the task's targets on the scale of ``X``, (n_spots, n_targets); changes no state."""


class Optimiser:
    """AdamW at a constant rate with the norm of the gradient clipped at 1."""

    def __init__(self, net: nn.Module, lr: float):
        self.net = net
        fused = next(net.parameters()).is_cuda
        self.adamw = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.0, fused=fused)

    def step(self, loss: Tensor) -> Tensor:
        """Follow the gradient of ``loss`` once; the loss, detached."""
        self.adamw.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), MAX_GRADIENT_NORM)
        self.adamw.step()
        return loss.detach()


def autocast(device: str) -> AbstractContextManager:
    """bf16 for the network on CUDA, nothing elsewhere."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")


def train_and_predict(
    make: Callable[[Task], Learner],
    task: Task,
    ctx: Context,
    *,
    max_steps: int,
    check_every: int,
    patience: int,
) -> np.ndarray:
    """Targets as a learner predicts them after the number of steps that is best for the validation genes.

    A first learner sees the train genes only. Every ``check_every`` steps it predicts the validation genes,
    until ``patience`` checks in a row bring no better mean Pearson correlation. A second learner then trains
    on train and validation genes for as many steps as the best check had.
    """
    inner, truth = task.validation()
    learner = make(inner)
    best_score, best_steps = -np.inf, check_every
    for done in range(1, max_steps + 1):
        loss = learner.step()
        if done % check_every and done < max_steps:
            continue
        score = mean_pearson(truth, learner.predict())
        ctx.progress(done, 2 * max_steps, loss=float(loss), val=score)
        ctx.log.info("step %d: loss %.4f, validation PCC %.4f", done, loss, score)
        if score > best_score:
            best_score, best_steps = score, done
        if done - best_steps >= patience * check_every:
            break
    learner = make(task)
    for done in range(1, best_steps + 1):
        loss = learner.step()
        if done % check_every == 0:
            ctx.progress(2 * max_steps - best_steps + done, 2 * max_steps, loss=float(loss), val=best_score)
    return learner.predict()
