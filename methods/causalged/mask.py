"""The order of generation and the mask of the attention: Algorithms 1 and 2 of the CausalGeD paper."""

from __future__ import annotations

import numpy as np
import torch

CONDITION, CLEAN, NOISY = 0, 1, 2  # the kinds of token, in their order in a sequence


def draw_step_sizes(n_genes: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Genes in each autoregressive step, (n_steps,), positive, summing to ``n_genes`` (Algorithm 1).

    The number of steps i has a probability proportional to ``decay ** (i - 1)``: a small ``decay`` means few
    and large steps. Given the number, all divisions of the genes into steps are equally likely.
    """
    weights = decay ** np.arange(n_genes, dtype=float)
    n_steps = 1 + rng.choice(n_genes, p=weights / weights.sum())
    cuts = 1 + rng.choice(n_genes - 1, size=n_steps - 1, replace=False)
    return np.diff(np.sort(np.concatenate(([0, n_genes], cuts))))


def step_weights(sizes: np.ndarray, ramp: str, largest: float) -> np.ndarray:
    """Loss weight of a gene by its step, (n_steps,), falling from ``largest`` to 1.

    Earlier steps have less context and a larger weight. ``ramp`` is ``linear`` or ``cosine`` in the share of
    genes that are known after the step, or ``none`` (every weight is 1).
    """
    share = np.cumsum(sizes) / np.sum(sizes)
    if ramp == "none":
        return np.ones_like(share)
    fall = share if ramp == "linear" else (1 - np.cos(np.pi * share)) / 2
    return largest - (largest - 1) * fall


def causal_mask(kind: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """The keys (last axis) that each query sees, (..., length, length), bool (Algorithm 2).

    ``kind`` (length,) is the kind of each token and ``step`` (..., length) the autoregressive step of its
    gene, which has no effect for a condition token. Every token sees the condition. A clean token also sees
    the clean tokens of its own and earlier steps. A noisy token also sees the clean tokens of earlier steps
    and the noisy tokens of its own.
    """
    query, key = kind[:, None], kind[None, :]  # (length, 1), (1, length)
    query_step, key_step = step[..., :, None], step[..., None, :]  # (..., length, 1), (..., 1, length)
    among_clean = (query == CLEAN) & (key == CLEAN) & (key_step <= query_step)
    noisy_to_clean = (query == NOISY) & (key == CLEAN) & (key_step < query_step)
    among_noisy = (query == NOISY) & (key == NOISY) & (key_step == query_step)
    return (key == CONDITION) | among_clean | noisy_to_clean | among_noisy
