"""Prediction intervals for any method: conformal, cross-fitted over the visible genes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stbench.errors import StbenchError
from stbench.method import Prediction

if TYPE_CHECKING:
    from stbench.task import Task

N_STRATA = 10


def conformal(
    task: Task,
    predict: Callable[[Task], np.ndarray],
    *,
    level: float = 0.9,
    n_folds: int = 5,
    seed: int = 0,
) -> Prediction:
    """The prediction of any method, with intervals from its errors on visible genes it did not see.

    Every visible gene is predicted once from the other folds by ``predict``, the whole method, so that the
    errors hold all that is uncertain, the level of a gene included. They are pooled over genes and spots in
    strata of equal size by the predicted value, and their quantiles in a stratum are added to the
    predictions in it (split conformal prediction with Mondrian strata; Sun et al. 2024, TISSUE, stratify in
    the same spirit). Genes, not spots, are exchangeable, hence the correction ``(n_genes + 1) / n_genes`` of
    the level. It holds for the pool of all spots and targets, not for each gene by itself.

    Parameters
    ----------
    predict
        Values (n_spots, n_targets) of a task, on the scale of ``X``; called ``n_folds`` + 1 times.
    level
        Nominal coverage, between 0 and 1.
    n_folds
        At most so many folds of genes, at least two.
    """
    if not 0 < level < 1:
        raise StbenchError(f"The level of an interval is between 0 and 1, not {level:g}.")
    predicted, errors = [], []
    for fold in gene_folds(task.visible, n_folds, seed):
        inner, truth = task.hide(fold)
        values = predict(inner)
        predicted.append(values.ravel())
        errors.append((truth - values).ravel())
    known, wrong = np.concatenate(predicted), np.concatenate(errors)
    return bounded(predict(task), known, wrong, n_genes=len(task.visible), level=level)


def bounded(
    mean: np.ndarray, predicted: np.ndarray, errors: np.ndarray, *, n_genes: int, level: float = 0.9
) -> Prediction:
    """``mean`` with intervals from the ``errors`` at the values ``predicted`` for ``n_genes`` hidden genes.

    ``predicted`` and ``errors`` (truth minus prediction) are flat and pooled; see `conformal`.
    """
    covered = min(level * (1 + 1 / n_genes), 1.0)
    low, high = _error_quantiles(predicted, errors, mean, covered)
    lower = np.maximum(np.minimum(mean + low, mean), 0)  # expression is not negative
    upper = np.maximum(np.maximum(mean + high, mean), lower)
    return Prediction(mean, lower, upper, level)


def gene_folds(genes: Sequence[str], n_folds: int, seed: int) -> list[list[str]]:
    """At most ``n_folds`` random folds of ``genes`` that do not depend on their order; at least two."""
    if len(genes) < 2:
        raise StbenchError("Cross-fitting needs at least two visible genes.")
    shuffled = np.random.default_rng(seed).permutation(sorted(genes))
    n_folds = min(max(n_folds, 2), len(genes))
    return [[str(gene) for gene in fold] for fold in np.array_split(shuffled, n_folds)]


def _error_quantiles(
    predicted: np.ndarray, errors: np.ndarray, mean: np.ndarray, covered: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper quantile of the errors in the stratum of each value of ``mean``, shaped like it."""
    edges = np.unique(np.quantile(predicted, np.arange(1, N_STRATA) / N_STRATA))
    stratum = np.searchsorted(edges, predicted, side="right")
    filled = np.unique(stratum)  # ties can leave the last stratum empty
    tails = (1 - covered) / 2, (1 + covered) / 2
    table = np.array([np.quantile(errors[stratum == s], tails) for s in filled])
    own = np.searchsorted(filled, np.searchsorted(edges, mean, side="right")).clip(max=len(filled) - 1)
    return table[own, 0], table[own, 1]
