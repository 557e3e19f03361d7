"""The Gaussian process over genes: its kernel, and the fit by the correlation of left-out genes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from stbench.toolbox.scale import zscore
from stbench.toolbox.smoothing import Smoother

PRIOR = 0.01  # weight of the squared distance from the start per log parameter, for flat directions
STEPS = 60  # of L-BFGS; more steps changed nothing

# log parameters of the kernel: start, lowest, highest
START = {
    "linear": (-1.5, -9.0, 3.0),
    "linear_exponent": (1.0, 0.0, 4.0),  # not a log
    "rbf": (-1.2, -9.0, 3.0),
    "rbf_length": (0.0, -2.5, 2.5),
    "rbf_exponent": (1.0, 0.0, 4.0),  # not a log
    "constant": (-2.3, -9.0, 3.0),
    "level": (-3.0, -9.0, 3.0),
    "level_length": (0.5, -1.0, 3.0),
    "noise": (-0.7, -7.0, 3.0),
}


@dataclass(frozen=True)
class GeneFeatures:
    """Features of the genes in the reference."""

    axes: torch.Tensor  # (n_genes, n_components), eigenvectors of the gene correlations, unit mean square
    variances: torch.Tensor  # (n_components,), their eigenvalues relative to the mean
    levels: torch.Tensor  # (n_genes, 3), z-scored log mean, log sd and share of cells with the gene

    @classmethod
    def of(cls, expression: np.ndarray) -> GeneFeatures:
        """Features of the genes of ``expression``, the reference ``X`` (n_cells, n_genes)."""
        profiles = zscore(expression)
        variances, axes = np.linalg.eigh(profiles.T @ profiles / len(profiles))
        kept = variances > 1e-8 * max(variances[-1], 1e-8)
        tiny = 1e-3  # so that a gene without counts has a finite level
        levels = [np.log(expression.mean(axis=0) + tiny), np.log(expression.std(axis=0) + tiny)]
        levels.append((expression > 0).mean(axis=0))
        variances = variances[kept] / variances[kept].mean()
        axes = axes[:, kept] * np.sqrt(len(axes) / len(variances))
        arrays = axes, variances, zscore(np.column_stack(levels))
        return cls(*(torch.tensor(np.ascontiguousarray(array)) for array in arrays))

    def rows(self, genes: np.ndarray) -> GeneFeatures:
        """The features of the genes with these numbers."""
        return GeneFeatures(self.axes[genes], self.variances, self.levels[genes])

    def scaled(self, exponent: torch.Tensor) -> torch.Tensor:
        """Coordinates of the genes with the variances to the power ``exponent``, (n_genes, n_components)."""
        return self.axes * self.variances ** (exponent / 2)

    def covariance(self, p: dict[str, torch.Tensor]) -> torch.Tensor:
        """Noise-free covariance of the maps of all genes, (n_genes, n_genes).

        The sum of a linear kernel, an RBF kernel of the directions of the features, a constant, and an RBF
        kernel of the levels (the level of a gene decides how it follows the depth of a spot). An exponent
        above 1 gives the leading components more weight than they have in the reference.
        """
        linear = self.scaled(p["linear_exponent"])
        directions = torch.nn.functional.normalize(self.scaled(p["rbf_exponent"]), dim=1, eps=1e-9)
        apart = 1 - directions @ directions.T
        level_distance = torch.cdist(self.levels, self.levels) ** 2
        return (
            p["linear"].exp() * linear @ linear.T
            + p["rbf"].exp() * torch.exp(-apart * torch.exp(-2 * p["rbf_length"]))
            + p["constant"].exp()
            + p["level"].exp() * torch.exp(-level_distance / 2 * torch.exp(-2 * p["level_length"]))
        )

    def observed(self, p: dict[str, torch.Tensor]) -> torch.Tensor:
        """Covariance of the measured maps of all genes, process plus noise, (n_genes, n_genes)."""
        noise = p["noise"].exp() * torch.eye(len(self.axes), dtype=self.axes.dtype)
        return self.covariance(p) + noise


@dataclass(frozen=True)
class Fitted:
    """Result of `fit`."""

    kernel: dict[str, torch.Tensor]  # parameters of the covariance by the names of `START`
    attention: float  # weight of the attention to cells
    shares: tuple[float, ...]  # of the smoothers, sum 1
    scale: float  # factor to the best amplitude by least squares
    correlation: float  # mean on left-out genes

    def gene_weights(self, features: GeneFeatures, n_visible: int) -> np.ndarray:
        """Weights from visible maps to target maps, (n_visible, n_targets); the visible genes come first."""
        observed = features.observed(self.kernel)
        return torch.linalg.solve(observed[:n_visible, :n_visible], observed[:n_visible, n_visible:]).numpy()

    def smoothed(self, maps: np.ndarray, smooth: Sequence[Smoother]) -> np.ndarray:
        """Sum of the smoothed ``maps`` (n_spots, n_genes), each smoother with its share."""
        return np.sum([share * s(maps) for share, s in zip(self.shares, smooth, strict=True)], axis=0)

    def errors(
        self, features: GeneFeatures, maps: np.ndarray, attended: np.ndarray, smooth: Sequence[Smoother]
    ) -> np.ndarray:
        """Errors of the predictions of left-out genes, z-scored, (n_spots, n_genes).

        ``maps`` are the z-scored maps of the genes of ``features`` and ``attended`` those by attention.
        """
        weights = left_out_weights(features.observed(self.kernel)).numpy()
        predicted = self.smoothed(maps @ weights + self.attention * attended, smooth)
        return zscore(maps - self.scale * predicted)


def left_out_weights(observed: torch.Tensor) -> torch.Tensor:
    """Weights from measured maps to the prediction of each one from the others, (n_genes, n_genes).

    ``I - K^-1 / diag(K^-1)`` with a diagonal of zeros, for the covariance K of the measured maps (Rasmussen
    and Williams, Eq. 5.12).
    """
    inverse = torch.linalg.inv(observed)
    return torch.eye(len(observed), dtype=observed.dtype) - inverse / torch.diagonal(inverse)


class LeftOut:
    """Moments of the predictions of left-out genes as functions of the parameters, without a sum over spots.

    The process predicts the left-out genes as ``Y`` times `left_out_weights`. Smoothing and attention are
    linear too, so a correlation needs only second moments of the maps, gene x gene, which are computed once.
    """

    def __init__(self, maps: Sequence[np.ndarray], attended: Sequence[np.ndarray]):
        y, q = (np.stack([part - part.mean(axis=0) for part in parts]) for parts in (maps, attended))
        truth, n_spots = zscore(maps[0]), maps[0].shape[0]
        n, _, n_genes = y.shape
        wide = y.transpose(1, 0, 2).reshape(n_spots, n * n_genes)
        deep = q.transpose(1, 0, 2).reshape(n_spots, n * n_genes)

        def blocks(values: np.ndarray) -> torch.Tensor:  # (n, n, n_genes, n_genes)
            return torch.tensor(values.reshape(n, n_genes, n, n_genes).transpose(0, 2, 1, 3) / n_spots)

        self.yy, self.yq = blocks(wide.T @ wide), blocks(wide.T @ deep)
        self.qq = torch.tensor(np.einsum("asi,bsi->abi", q, q) / n_spots)
        self.ty = torch.tensor((truth.T @ wide).reshape(n_genes, n, n_genes).transpose(1, 0, 2) / n_spots)
        self.tq = torch.tensor(np.einsum("si,asi->ai", truth, q) / n_spots)

    def moments(
        self, observed: torch.Tensor, shares: torch.Tensor, attention: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Covariance with the truth, and variance, of each prediction, (n_genes,); ``observed`` has noise."""
        take = left_out_weights(observed)
        yy, yq = (torch.einsum("a,b,abij->ij", shares, shares, part) for part in (self.yy, self.yq))
        covariance = (torch.einsum("a,aij->ij", shares, self.ty) * take.T).sum(1)
        covariance = covariance + attention * shares @ self.tq
        variance = (take * (yy @ take + 2 * attention * yq)).sum(0)
        variance = variance + attention**2 * torch.einsum("a,b,abi->i", shares, shares, self.qq)
        return covariance, variance


def fit(features: GeneFeatures, maps: Sequence[np.ndarray], attended: Sequence[np.ndarray]) -> Fitted:
    """Kernel, smoothing and weight of the attention that predict left-out genes best.

    For every smoother (the identity first), ``maps`` are the z-scored maps of the genes of ``features`` and
    ``attended`` those by attention, (n_spots, n_genes).
    """
    left_out, n_smoothers, n_kernel = LeftOut(maps, attended), len(maps), len(START)
    table = [*START.values(), *[(-2.0, -8.0, 4.0)] * (n_smoothers - 1), (0.15, 0.0, 3.0)]
    start, *bounds = np.array(table).T
    anchor = torch.tensor(start[:n_kernel])

    def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Covariance of the measured maps, shares of the smoothers, attention."""
        shares = torch.softmax(torch.cat([x.new_zeros(1), x[n_kernel:-1]]), dim=0)
        return features.observed(dict(zip(START, x, strict=False))), shares, x[-1]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.tensor(values, requires_grad=True)
        covariance, variance = left_out.moments(*parts(x))
        # 1e-4: a prediction of almost no amplitude has no correlation
        correlation = (covariance / torch.sqrt(variance + 1e-4)).mean()
        value = PRIOR * ((x[:n_kernel] - anchor) ** 2).mean() - correlation
        (gradient,) = torch.autograd.grad(value, x)
        return value.item(), gradient.numpy()

    limits = list(zip(*bounds, strict=True))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": STEPS})
    with torch.no_grad():
        best = torch.tensor(found.x)
        observed, shares, attention = parts(best)
        covariance, variance = left_out.moments(observed, shares, attention)
        # the correlation does not depend on the amplitude: least squares over all left-out genes gives it
        scale = max(float(covariance.sum() / (variance.sum() + 1e-9)), 0.0)
        correlation = float((covariance / torch.sqrt(variance + 1e-4)).mean())
    kernel = dict(zip(START, best, strict=False))
    return Fitted(kernel, float(attention), tuple(shares.tolist()), scale, correlation)
