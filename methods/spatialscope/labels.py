"""Cell types of the spots from their visible genes: platform factors, likelihood, smoothing in space.

This is RCTD (Cable et al. 2022) as SpatialScope uses it: the counts of a spot are Poisson-lognormal around
the mixture of the profiles of its types, and neighbours tend to have the same type.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from scipy.special import gammaln, logsumexp, wrightomega

MARKER_FOLD = 0.5  # log fold change of a marker over the mean of the other types (RCTD)
MIN_MARKERS = 10  # with fewer markers all visible genes are used
WEIGHT_UPDATES = 100
MIN_RATE = 1e-4  # expected count of a gene that the type does not express (RCTD)
SWEEPS = 8
SIGMAS = (0.05, 2.0)  # range of the fitted noise
SIGMA_SPOTS = 200  # spots for the fit of sigma
NEIGHBORS = 10
N_NODES = 15  # Gauss-Hermite nodes
CHUNK = 100_000  # counts at once: CHUNK x N_NODES doubles are 24 MB
DISTANCE_SPOTS = 1000  # spots for the quantile of the distances


def label_cells(
    counts: np.ndarray,
    means: np.ndarray,
    coordinates: np.ndarray | None,
    *,
    n_cells: int = 1,
    nu: float = 10.0,
    min_count: int = 20,
) -> tuple[np.ndarray, np.ndarray]:
    """Types of the cells of every spot (n_spots, n_cells), and platform factors of the genes (n_visible,).

    ``counts`` (n_spots, n_visible) are the visible genes in space, ``means`` (n_types, n_visible) the mean
    expression of the types on a linear scale. Without ``coordinates`` (n_spots, 2 or 3) there are no
    neighbours. Spots with less than ``min_count`` counts (or than the median total, for shallow data) get the
    most common type of their neighbours, or of all spots without neighbours.
    """
    totals = counts.sum(axis=1)
    profiles = shares(means)
    platform = platform_factors(shares(counts[totals > 0]), profiles)
    profiles = shares(profiles * platform)

    marker = markers(profiles)
    weights = type_weights(counts[:, marker], profiles[:, marker])
    near = neighbors(coordinates, len(counts))
    rich = (totals > 0) & (totals >= min(min_count, np.median(totals)))
    types = np.where(rich[:, None], first_types(weights, n_cells), -1)
    types = smooth(types, candidates(weights, n_cells), counts, profiles, near, nu=nu)
    return with_majority(types, near), platform


def shares(values: np.ndarray) -> np.ndarray:
    """Rows divided by their sums; a row of zeros stays."""
    return values / np.maximum(values.sum(axis=-1, keepdims=True), 1e-12)


def platform_factors(space: np.ndarray, profiles: np.ndarray) -> np.ndarray:
    """``b_g``: mean share of a gene in the spots over the share that the mixture of types explains.

    ``space`` (n_spots, n_genes), ``profiles`` (n_types, n_genes). A ratio of 0, infinity or 0 / 0 becomes 1.
    """
    mean = space.mean(axis=0) if len(space) else np.zeros(profiles.shape[1])
    expected = type_weights(mean[None], profiles)[0] @ profiles
    usable = (mean > 0) & (expected > 0)
    return np.divide(mean, expected, out=np.ones_like(mean), where=usable)


def markers(profiles: np.ndarray) -> np.ndarray:
    """The genes that are much higher in a type than in the mean of the others, (n_genes,) of bool."""
    n_types = len(profiles)
    if n_types == 1:
        return np.ones(profiles.shape[1], dtype=bool)
    others = (profiles.sum(axis=0) - profiles) / (n_types - 1)
    marker = (profiles > np.exp(MARKER_FOLD) * others).any(axis=0)
    return marker if marker.sum() >= MIN_MARKERS else np.ones_like(marker)


def type_weights(counts: np.ndarray, profiles: np.ndarray) -> np.ndarray:
    """Weights >= 0 (n_spots, n_types) of largest likelihood, ``counts ~ Poisson(weights @ profiles)``."""
    exposure = np.maximum(profiles.sum(axis=1), 1e-12)
    weights = np.tile(counts.sum(axis=1, keepdims=True) / len(profiles), (1, len(profiles)))
    for _ in range(WEIGHT_UPDATES):
        ratio = counts / np.maximum(weights @ profiles, 1e-12)  # (n_spots, n_genes)
        weights = weights * (ratio @ profiles.T) / exposure
    return weights


def candidates(weights: np.ndarray, n_cells: int) -> np.ndarray:
    """The types with enough weight to be in a spot, (n_spots, n_types) of bool."""
    total = weights.sum(axis=1, keepdims=True)
    least = np.minimum(total / (2 * n_cells), total / 5)
    return weights >= np.minimum(least, weights.max(axis=1, keepdims=True))


def first_types(weights: np.ndarray, n_cells: int) -> np.ndarray:
    """Types (n_spots, n_cells) in proportion to the weights: each cell gets the type that misses most."""
    missing = n_cells * shares(weights)
    types = np.empty((len(weights), n_cells), dtype=int)
    for cell in range(n_cells):
        types[:, cell] = missing.argmax(axis=1)
        missing[np.arange(len(weights)), types[:, cell]] -= 1
    return types


def neighbors(coordinates: np.ndarray | None, n_spots: int) -> list[np.ndarray]:
    """Neighbours of every spot, within the ``NEIGHBORS / n_spots`` quantile of the Manhattan distances."""
    if coordinates is None or n_spots < 2:
        return [np.empty(0, dtype=int)] * n_spots
    sample = np.linspace(0, n_spots - 1, min(n_spots, DISTANCE_SPOTS)).astype(int)
    distances = cdist(coordinates[sample], coordinates, "cityblock")
    distances[np.arange(len(sample)), sample] = np.nan  # a spot to itself
    radius = np.nanquantile(distances, min(1.0, NEIGHBORS / n_spots))
    near = KDTree(coordinates).query_ball_point(coordinates, radius, p=1)
    return [np.setdiff1d(others, spot).astype(int) for spot, others in enumerate(near)]


def smooth(
    types: np.ndarray,
    allowed: np.ndarray,
    counts: np.ndarray,
    profiles: np.ndarray,
    near: list[np.ndarray],
    *,
    nu: float,
) -> np.ndarray:
    """Types after at most `SWEEPS` sweeps over the cells of the spots with types (-1: none).

    A cell gets the allowed type of smallest ``-log likelihood of its spot + nu * (share of the neighbours'
    cells with another type)``. The lognormal noise sigma is fitted again before every sweep.
    """
    types = types.copy()
    labelled = np.flatnonzero(types[:, 0] >= 0)
    n_types, n_cells = len(profiles), types.shape[1]
    for _ in range(SWEEPS if n_types > 1 and len(labelled) else 0):
        before = types.copy()
        sigma = fit_sigma(types[labelled], counts[labelled], profiles)
        for cell in range(n_cells):
            others = profiles[np.delete(types, cell, axis=1)].sum(axis=1)  # (n_spots, n_genes)
            cost = np.full(allowed.shape, np.inf)
            spots, options = np.nonzero(allowed & (types[:, :1] >= 0))
            mixed = (others[spots] + profiles[options]) / n_cells
            cost[spots, options] = -spot_likelihood(counts[spots], mixed, sigma)
            for spot in labelled:
                around = types_of(near[spot], types)
                same = np.bincount(around, minlength=n_types) / len(around) if len(around) else 1
                types[spot, cell] = np.argmin(cost[spot] + nu * (1 - same))
        if np.array_equal(types, before):
            break
    return types


def types_of(spots: np.ndarray, types: np.ndarray) -> np.ndarray:
    """The known types of the cells of some spots, (n_known,)."""
    some = types[spots]
    return some[some >= 0]


def spot_likelihood(counts: np.ndarray, mixed: np.ndarray, sigma: float) -> np.ndarray:
    """Log likelihood of every spot, (n_spots,), given the expected share ``mixed`` of its genes."""
    rate = np.maximum(counts.sum(axis=1, keepdims=True) * mixed, MIN_RATE)
    return log_likelihood(counts, np.log(rate), sigma).sum(axis=1)


def fit_sigma(types: np.ndarray, counts: np.ndarray, profiles: np.ndarray) -> float:
    """The lognormal noise of largest likelihood, on at most `SIGMA_SPOTS` evenly spaced spots."""
    some = np.unique(np.linspace(0, len(types) - 1, SIGMA_SPOTS).astype(int))
    mixed = profiles[types[some]].mean(axis=1)
    fit = minimize_scalar(
        lambda sigma: -spot_likelihood(counts[some], mixed, sigma).sum(),
        bounds=SIGMAS,
        method="bounded",
        options={"xatol": 0.02},
    )
    return float(fit.x)


def with_majority(types: np.ndarray, near: list[np.ndarray]) -> np.ndarray:
    """Types, where spots without one (-1) get the most common one of their neighbours, or else of all."""
    known = types[types >= 0]
    everywhere = np.bincount(known).argmax() if len(known) else 0
    filled = types.copy()
    for spot in np.flatnonzero(types[:, 0] < 0):
        around = types_of(near[spot], types)
        filled[spot] = np.bincount(around).argmax() if len(around) else everywhere
    return filled


def log_likelihood(counts: np.ndarray, log_rate: np.ndarray, sigma: float) -> np.ndarray:
    """``log P(x)`` of every count, for ``x ~ Poisson(exp(log_rate + e))``, ``e ~ N(0, sigma^2)``.

    ``counts``, ``log_rate`` and the result have the same shape. The nodes are around the mode of the
    integrand and as wide as it is there. With fixed nodes the integrand of a count in the hundreds would be
    narrower than the gap between two nodes, and the error larger than the effect of the prior.
    """
    result = np.empty(np.shape(counts))
    x, rate, flat = np.ravel(counts).astype(float), np.ravel(log_rate).astype(float), result.reshape(-1)
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        flat[part] = _integrate(x[part], rate[part], sigma)
    return result


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
