"""The Poisson-lognormal likelihood of a count, by quadrature instead of tables."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, logsumexp, wrightomega

N_NODES = 15  # Gauss-Hermite nodes
CHUNK = 100_000  # counts at once: CHUNK x N_NODES doubles are 24 MB


def log_likelihood(counts: np.ndarray, log_rate: np.ndarray, sigma: float) -> np.ndarray:
    """``log P(x)`` of every count, for ``x ~ Poisson(exp(log_rate + e))``, ``e ~ N(0, sigma^2)``.

    ``counts`` and ``log_rate`` have one shape, and so has the answer. The nodes stand around the mode of the
    integrand, with the width it has there: with fixed nodes a count in the hundreds, whose integrand is
    narrower than the gap between two nodes, would be off by more than the prior is worth.
    """
    x, rate = np.ravel(counts).astype(float), np.ravel(log_rate).astype(float)
    pieces = [
        _integrate(x[start : start + CHUNK], rate[start : start + CHUNK], sigma)
        for start in range(0, len(x), CHUNK)
    ]
    return np.concatenate(pieces).reshape(np.shape(counts)) if pieces else np.zeros(np.shape(counts))


def _integrate(x: np.ndarray, log_rate: np.ndarray, sigma: float) -> np.ndarray:
    nodes, weights = np.polynomial.hermite.hermgauss(N_NODES)
    variance = sigma**2
    # root of x - exp(log_rate + e) - e / variance, in closed form by the Wright omega function
    mode = variance * x - wrightomega(variance * x + log_rate + np.log(variance))
    width = 1 / np.sqrt(np.exp(log_rate + mode) + 1 / variance)
    e = mode[:, None] + np.sqrt(2) * width[:, None] * nodes  # (n, N_NODES)
    log_rates = log_rate[:, None] + e
    log_joint = x[:, None] * log_rates - np.exp(log_rates) - e**2 / (2 * variance)
    log_sum = logsumexp(log_joint + nodes**2, b=weights, axis=1)
    return log_sum + np.log(width / (sigma * np.sqrt(np.pi))) - gammaln(x + 1)
