"""How good the prediction intervals are, for methods that have them.

The bounds are those of the prediction, in log-normalised units like the values; the nominal level is the
method's own (0.9 unless it says otherwise).
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

    Good is the nominal level. Zeros are easy to cover where most values are zero: read it beside
    ``coverage_nonzero``.
    """
    return _inside(truth, prediction).mean(axis=0)


@register("coverage_nonzero", best="level", bounds=(0, 1), definition="1", needs_intervals=True, column=10)
def coverage_nonzero(truth: np.ndarray, prediction: Prediction) -> np.ndarray:
    """``coverage`` over the spots where the true value is not zero, per gene, (n_genes,).

    A gene that is scored varies, so it has such a spot.
    """
    expressed = truth != 0
    return (_inside(truth, prediction) & expressed).sum(axis=0) / expressed.sum(axis=0)


@register(
    "interval_score", best="low", bounds=(0, float("inf")), definition="1", needs_intervals=True, column=11
)
def interval_score(truth: np.ndarray, prediction: Prediction) -> np.ndarray:
    """Mean interval score over the spots, per gene, (n_genes,), in log-normalised units.

    Width plus 2 / (1 - level) times the distance of the value outside the interval: wide and wrong intervals
    both cost.

    Source: Gneiting and Raftery 2007, J. Am. Stat. Assoc., doi 10.1198/016214506000001437, Eq. 43.
    """
    lower, upper = _bounds(prediction)
    outside = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return (upper - lower + 2 / (1 - prediction.level) * outside).mean(axis=0)


def _inside(truth: np.ndarray, prediction: Prediction) -> np.ndarray:
    lower, upper = _bounds(prediction)
    return (truth >= lower) & (truth <= upper)


def _bounds(prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    assert prediction.lower is not None  # `needs_intervals` promises them
    assert prediction.upper is not None
    return prediction.lower, prediction.upper
