"""Jensen-Shannon divergence between truth and prediction as distributions over the spots."""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

from stbench.metrics import register

LN2 = 0.6931471805599453


@register("js", best="low", bounds=(0, LN2), definition="1", primary=True, column=4)
def js(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence over the spots, per gene, (n_genes,).

    The divergence, not its square root (the distance), with natural logarithm: 0 to ln 2. Negatives are
    clipped to 0 and each column is divided by its sum; an all-zero column is the uniform distribution.

    Source: Li et al. 2022, Nature Methods, doi 10.1038/s41592-022-01480-9.
    """
    p, q = _distribution(truth), _distribution(prediction)
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle).sum(axis=0) + rel_entr(q, middle).sum(axis=0)) / 2
    return np.clip(divergence, 0, LN2)


def _distribution(values: np.ndarray) -> np.ndarray:
    """The values with negatives set to 0 and each column divided by its sum."""
    values = np.maximum(np.asarray(values, dtype=float), 0)
    values[:, ~values.any(axis=0)] = 1
    values /= values.max(axis=0)  # the sum of very large or small values leaves float64
    return values / values.sum(axis=0)
