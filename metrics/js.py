"""Jensen-Shannon divergence between truth and prediction as distributions over the spots."""

from __future__ import annotations

import numpy as np

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
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.clip(divergence, 0, LN2)


def _distribution(values: np.ndarray) -> np.ndarray:
    """Columns that sum to one, from the values without negatives."""
    values = np.maximum(np.asarray(values, dtype=float), 0)
    values[:, ~values.any(axis=0)] = 1
    values /= values.max(axis=0)  # so that the sum can neither overflow nor be lost
    values /= values.sum(axis=0)
    return values


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of every column, in nats, with 0 log 0 = 0."""
    from scipy.special import rel_entr

    return rel_entr(p, q).sum(axis=0)
