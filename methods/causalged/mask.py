"""When each gene is generated and which tokens it attends to: Algorithms 1 and 2 of the CausalGeD paper."""

from __future__ import annotations

import numpy as np
import torch

CONDITION, CLEAN, NOISY = 0, 1, 2  # the kinds of token, in the order in which they stand in a sequence


def draw_step_sizes(n_genes: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Genes in each autoregressive step, (n_steps,), positive, summing to ``n_genes`` (Algorithm 1).

    The number of steps i has probability proportional to ``decay ** (i - 1)``, so a small ``decay`` means
    few and large steps; ``decay = 1`` makes every number of steps equally likely. Given their number, all
    divisions of the genes into steps are equally likely.
    """
    weights = decay ** np.arange(n_genes, dtype=float)
    n_steps = 1 + rng.choice(n_genes, p=weights / weights.sum())
    cuts = 1 + rng.choice(n_genes - 1, size=n_steps - 1, replace=False)
    return np.diff(np.sort(np.concatenate(([0, n_genes], cuts))))


def step_weights(sizes: np.ndarray, ramp: str, largest: float) -> np.ndarray:
    """Loss weight of a gene by its step, (n_steps,), falling from ``largest`` to 1.

    Earlier steps have less context and weigh more. ``ramp`` is ``linear`` or ``cosine`` in the share of genes
    that are known once the step is done, or ``none`` (every weight is 1).
    """
    share = np.cumsum(sizes) / np.sum(sizes)
    if ramp == "none":
        return np.ones_like(share)
    fall = share if ramp == "linear" else (1 - np.cos(np.pi * share)) / 2
    return largest - (largest - 1) * fall


def causal_mask(kind: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Which key (last axis) each query may see, (..., length, length), bool (Algorithm 2).

    ``kind`` (length,) says what each token is and ``step`` (..., length) in which autoregressive step its
    gene is; the step of a condition token is not read. Everybody sees the condition. A clean token also sees
    the clean tokens of its own and earlier steps, a noisy token the clean ones of earlier steps and the noisy
    ones of its own.
    """
    query, key = kind[:, None], kind[None, :]  # (length, 1), (1, length)
    query_step, key_step = step[..., :, None], step[..., None, :]  # (..., length, 1), (..., 1, length)
    among_clean = (query == CLEAN) & (key == CLEAN) & (key_step <= query_step)
    noisy_to_clean = (query == NOISY) & (key == CLEAN) & (key_step < query_step)
    among_noisy = (query == NOISY) & (key == NOISY) & (key_step == query_step)
    return (key == CONDITION) | among_clean | noisy_to_clean | among_noisy
