"""Choice of a setting by the mean Pearson correlation on the validation genes, the same in all methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from stbench.toolbox.scale import zscore

if TYPE_CHECKING:
    from stbench.method import Context, Method
    from stbench.task import Task

Setting = TypeVar("Setting")


def mean_pearson(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over genes of the Pearson correlation over spots; both arrays are (n_spots, n_genes).

    A constant prediction scores 0. A gene that is constant in the truth is left out.
    """
    scored = np.ptp(truth, axis=0) > 0
    if not scored.any():
        return 0.0
    return float((zscore(truth[:, scored]) * zscore(prediction[:, scored])).mean())


def choose(
    task: Task,
    settings: Sequence[Setting],
    predict: Callable[[Task, Sequence[Setting]], Iterable[np.ndarray]],
) -> Setting:
    """The setting that predicts the validation genes best from the train genes; of equal ones the first.

    ``predict(inner_task, settings)`` gives one array (n_spots, n_val) per setting, on any scale.
    """
    inner, truth = task.validation()
    scores = [mean_pearson(truth, prediction) for prediction in predict(inner, settings)]
    return settings[scores.index(max(scores))]


def choose_parameters(
    method: Method,
    grid: dict[str, Sequence[Any]],
    task: Task,
    ctx: Context,
    predict: Callable[[Task, Sequence[tuple[Any, ...]]], Iterable[np.ndarray]],
) -> tuple[Any, ...]:
    """The values of the parameters of ``method`` that ``grid`` names, in its order.

    Those that are None get the best values of the grid, by `choose` over all combinations, and are reported
    by ``ctx.chosen``; the others keep their value.
    """
    free = {name: getattr(method, name) is None for name in grid}
    values = [grid[name] if free[name] else (getattr(method, name),) for name in grid]
    settings = list(product(*values))
    best = choose(task, settings, predict) if any(free.values()) else settings[0]
    ctx.chosen(**{name: value for name, value in zip(grid, best, strict=True) if free[name]})
    return best
