"""Prediction intervals for any method: conformal intervals, cross-fitted over the visible genes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stbench.errors import StbenchError
from stbench.method import Prediction

if TYPE_CHECKING:
    from stbench.task import Task

N_STRATA = 10
BLOCK = 1000  # spots


def conformal(
    task: Task,
    predict: Callable[[Task], np.ndarray],
    *,
    level: float = 0.9,
    n_folds: int = 5,
    seed: int = 0,
    measured_on: Task | None = None,
) -> Prediction:
    """The prediction of any method, with intervals from its errors on left-out visible genes.

    ``predict`` is the whole method. It predicts every visible gene once from the other folds, so that the
    errors contain all uncertainty, also that of the level of a gene. The errors are pooled over genes and
    spots, in strata of equal size by the predicted value. The quantiles of a stratum are added to the
    predictions in it (split conformal prediction with Mondrian strata; Sun et al. 2024, TISSUE, use similar
    strata). Genes, not spots, are exchangeable: hence the correction ``(n_genes + 1) / n_genes`` of the
    level. The coverage holds for the pool of all spots and targets, not for each gene by itself.

    Parameters
    ----------
    predict
        Values (n_spots, n_targets) of a task, on the scale of ``X``; called ``n_folds`` + 1 times.
    level
        Nominal coverage, between 0 and 1.
    n_folds
        Number of folds of genes, at least two, at most the number of genes.
    measured_on
        The same task on a part of the spots, where the errors are measured; by default on all.
    """
    if not 0 < level < 1:
        raise StbenchError(f"The level of an interval is between 0 and 1, not {level:g}.")
    known, truth = cross_fit(measured_on or task, predict, n_folds=n_folds, seed=seed)
    errors = (truth - known).ravel()
    return bounded(predict(task), known.ravel(), errors, n_genes=len(task.visible), level=level)


def cross_fit(
    task: Task, predict: Callable[[Task], np.ndarray], *, n_folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of the visible genes, each from the genes of the other folds, and the true values.

    Both are (n_spots, n_visible), in the order of ``task.visible``. ``predict`` gets a task in which a fold
    is hidden, once for each of the `gene_folds`.
    """
    predicted, truth = np.empty((2, task.spatial.n_obs, len(task.visible)))
    place = {gene: i for i, gene in enumerate(task.visible)}
    for fold in gene_folds(task.visible, n_folds, seed):
        inner, values = task.hide(fold)
        columns = [place[gene] for gene in fold]
        predicted[:, columns], truth[:, columns] = predict(inner), values
    return predicted, truth


def bounded(
    mean: np.ndarray, predicted: np.ndarray, errors: np.ndarray, *, n_genes: int, level: float = 0.9
) -> Prediction:
    """``mean`` with intervals from the ``errors`` of the values ``predicted`` for ``n_genes`` hidden genes.

    ``predicted`` and ``errors`` (truth minus prediction) are flat and pooled, see `conformal`. The quantiles
    of the errors are those of the stratum of each value of ``mean``.
    """
    covered = min(level * (1 + 1 / n_genes), 1.0)
    edges = np.unique(np.quantile(predicted, np.arange(1, N_STRATA) / N_STRATA))
    stratum = np.searchsorted(edges, predicted, side="right")
    filled = np.unique(stratum)  # ties can leave the last stratum empty
    tails = (1 - covered) / 2, (1 + covered) / 2
    quantiles = np.array([np.quantile(errors[stratum == s], tails) for s in filled])
    lower, upper = np.empty_like(mean), np.empty_like(mean)
    for start in range(0, len(mean), BLOCK):  # in blocks of spots: the intermediate arrays are large
        rows = slice(start, start + BLOCK)
        own = np.searchsorted(filled, np.searchsorted(edges, mean[rows], side="right"))
        low, high = np.moveaxis(quantiles[own.clip(max=len(filled) - 1)], -1, 0)
        lower[rows] = np.maximum(np.minimum(mean[rows] + low, mean[rows]), 0)  # expression is not negative
        upper[rows] = np.maximum(np.maximum(mean[rows] + high, mean[rows]), lower[rows])
    return Prediction(mean, lower, upper, level)


def gene_folds(genes: Sequence[str], n_folds: int, seed: int) -> list[list[str]]:
    """At most ``n_folds`` random folds of ``genes`` that do not depend on their order; at least two."""
    if len(genes) < 2:
        raise StbenchError("Cross-fitting needs at least two visible genes.")
    shuffled = np.random.default_rng(seed).permutation(sorted(genes))
    n_folds = min(max(n_folds, 2), len(genes))
    return [[str(gene) for gene in fold] for fold in np.array_split(shuffled, n_folds)]
