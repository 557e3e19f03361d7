"""Coverage and interval score of prediction intervals, for methods that have them.

Bounds are in log-normalised units, like the values. The nominal level is that of the method (0.9 by
default).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stbench.metrics import register

if TYPE_CHECKING:
    from stbench.methods import Prediction


@register("coverage", best="level", bounds=(0, 1), definition="1", needs_intervals=True, column=9)
def coverage(truth: np.ndarray, prediction: Prediction) -> np.ndarray:
    """Share of the spots whose value lies within its interval, bounds included, per gene, (n_genes,).

    The nominal level is best. Zeros are easy to cover in sparse data: compare ``coverage_nonzero``.
    """
    return _inside(truth, prediction).mean(axis=0)


@register("coverage_nonzero", best="level", bounds=(0, 1), definition="1", needs_intervals=True, column=10)
def coverage_nonzero(truth: np.ndarray, prediction: Prediction) -> np.ndarray:
    """``coverage`` over the spots where the true value is not zero, per gene, (n_genes,).

    A scored gene varies, so it has such a spot.
    """
    expressed = truth != 0
    return (_inside(truth, prediction) & expressed).sum(axis=0) / expressed.sum(axis=0)


@register("interval_score", best="low", bounds=(0, np.inf), definition="1", needs_intervals=True, column=11)
def interval_score(truth: np.ndarray, prediction: Prediction) -> np.ndarray:
    """Mean interval score over the spots, per gene, (n_genes,), in log-normalised units.

    Width plus 2 / (1 - level) times the distance of the value outside the interval: wide and wrong intervals
    are both penalised.

    Source: Gneiting and Raftery 2007, J. Am. Stat. Assoc., doi 10.1198/016214506000001437, Eq. 43.
    """
    lower, upper = np.asarray(prediction.lower), np.asarray(prediction.upper)
    outside = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return (upper - lower + 2 / (1 - prediction.level) * outside).mean(axis=0)


def _inside(truth: np.ndarray, prediction: Prediction) -> np.ndarray:
    return (truth >= prediction.lower) & (truth <= prediction.upper)
