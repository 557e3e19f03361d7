"""The Gaussian process over genes: features, marginal likelihood with its gradient, posterior mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist


@dataclass(frozen=True)
class Covariance:
    """The five hyper-parameters. Variances are shares of the variance of a standardised map."""

    linear: float
    rbf: float
    length: float
    constant: float
    noise: float

    def between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Noise-free covariance of the genes with features ``a`` and ``b``, (len(a), len(b))."""
        rbf = self.rbf * np.exp(-cdist(a, b, "sqeuclidean") / (2 * self.length**2))
        return self.linear * a @ b.T + rbf + self.constant

    def observed(self, features: np.ndarray) -> np.ndarray:
        """Covariance of the measured maps, which includes noise, (n_genes, n_genes)."""
        return self.between(features, features) + self.noise * np.eye(len(features))


def gene_features(profiles: np.ndarray, n_components: int) -> np.ndarray:
    """Features (n_genes, at most n_components) whose inner products are the correlations of the genes.

    They are the scores on the leading principal components of z-scored ``profiles``, (n_cells, n_genes).
    """
    variances, axes = np.linalg.eigh(profiles.T @ profiles / len(profiles))
    leading = np.argsort(-variances)[:n_components]
    return axes[:, leading] * np.sqrt(np.maximum(variances[leading], 0))


def negative_log_likelihood(
    log_parameters: np.ndarray, features: np.ndarray, second_moment: np.ndarray
) -> tuple[float, np.ndarray]:
    """Negative log marginal likelihood per spot, without its constant, and its gradient (5,).

    ``log_parameters`` are the logs of the fields of `Covariance`. K is the covariance of the genes and C =
    ``second_moment`` = maps' maps / n_spots, both (n_genes, n_genes). The value is (log|K| + tr(K^-1 C)) / 2,
    its derivative tr(G dK), G = (K^-1 - K^-1 C K^-1) / 2 (Rasmussen and Williams, Eq. 2.30 and 5.9).
    """
    covariance = Covariance(*np.exp(log_parameters))
    distances = cdist(features, features, "sqeuclidean")
    linear = covariance.linear * features @ features.T
    rbf = covariance.rbf * np.exp(-distances / (2 * covariance.length**2))
    identity = np.eye(len(features))

    factor = cho_factor(linear + rbf + covariance.constant + covariance.noise * identity, lower=True)
    inverse = cho_solve(factor, identity)
    value = np.log(np.diag(factor[0])).sum() + 0.5 * (inverse * second_moment).sum()
    slope = 0.5 * (inverse - inverse @ second_moment @ inverse)
    gradient = [  # in the logs of the parameters, hence each parameter is a factor
        (slope * linear).sum(),
        (slope * rbf).sum(),
        (slope * rbf * distances).sum() / covariance.length**2,
        slope.sum() * covariance.constant,
        np.trace(slope) * covariance.noise,
    ]
    return float(value), np.array(gradient)


def fit(features: np.ndarray, maps: np.ndarray) -> Covariance:
    """The covariance that maximises the marginal likelihood of standardised ``maps``, (n_spots, n_genes).

    L-BFGS starts from two length scales, because the likelihood has a second maximum where the RBF becomes
    linear. The bounds keep the condition number low enough for a Cholesky factor in float64.
    """
    distances = cdist(features, features)
    typical = np.median(distances[distances > 0]) if distances.any() else 1.0
    bounds = [(1e-5, 20), (1e-5, 20), (typical / 20, typical * 50), (1e-5, 20), (1e-4, 20)]
    second_moment = maps.T @ maps / len(maps)
    fits = [
        minimize(
            negative_log_likelihood,
            np.log([0.5, 0.3, length, 0.1, 0.5]),
            args=(features, second_moment),
            jac=True,
            method="L-BFGS-B",
            bounds=np.log(bounds),
        )
        for length in (typical / 2, typical * 2)
    ]
    best = min(fits, key=lambda result: result.fun)
    return Covariance(*(float(value) for value in np.exp(best.x)))


def posterior_mean(
    covariance: Covariance, visible: np.ndarray, targets: np.ndarray, maps: np.ndarray
) -> np.ndarray:
    """Expected maps of the targets, given the maps of the visible genes, (n_spots, n_targets)."""
    factor = cho_factor(covariance.observed(visible), lower=True)
    return maps @ cho_solve(factor, covariance.between(visible, targets))
