"""The process over genes: its kernel, and the fit by the correlation of left-out genes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from stbench.toolbox.scale import zscore

PRIOR = 0.01  # of the squared distance from the start, per log parameter: flat directions stay put
STEPS = 60  # of L-BFGS; more changed nothing

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
    """What the reference says of each gene.

    Attributes
    ----------
    axes
        Eigenvectors of the correlations between genes, (n_genes, n_components), of unit mean square.
    variances
        Their eigenvalues, (n_components,), relative to the mean.
    levels
        z-scored log mean, log sd and share of cells with the gene, (n_genes, 3).
    """

    axes: torch.Tensor
    variances: torch.Tensor
    levels: torch.Tensor

    @classmethod
    def of(cls, expression: np.ndarray) -> GeneFeatures:
        """Features of the genes of ``expression``, the reference ``X`` (n_cells, n_genes)."""
        profiles = zscore(expression)
        variances, axes = np.linalg.eigh(profiles.T @ profiles / len(profiles))
        kept = variances > 1e-8 * max(variances[-1], 1e-8)
        tiny = 1e-3  # a gene that no cell has gets a finite level
        levels = [np.log(expression.mean(axis=0) + tiny), np.log(expression.std(axis=0) + tiny)]
        levels.append((expression > 0).mean(axis=0))
        variances = variances[kept] / variances[kept].mean()
        axes = axes[:, kept] * np.sqrt(len(axes) / len(variances))
        arrays = axes, variances, zscore(np.column_stack(levels))
        return cls(*(torch.tensor(np.ascontiguousarray(array)) for array in arrays))

    def rows(self, genes: np.ndarray) -> GeneFeatures:
        """The features of some genes, by their numbers."""
        return GeneFeatures(self.axes[genes], self.variances, self.levels[genes])

    def scaled(self, exponent: torch.Tensor) -> torch.Tensor:
        """Coordinates of the genes with the variances to the power ``exponent``, (n_genes, n_components)."""
        return self.axes * self.variances ** (exponent / 2)

    def covariance(self, p: dict[str, torch.Tensor]) -> torch.Tensor:
        """Noise-free covariance of the maps of all genes, (n_genes, n_genes).

        The sum of a linear kernel, an RBF kernel of the directions of the features, a constant, and an RBF
        kernel of the levels (how thin a gene is decides how it follows the depth of a spot). An exponent
        above 1 trusts the leading components of the reference more than it does itself.
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


@dataclass(frozen=True)
class Fitted:
    """What `fit` found.

    ``kernel`` holds the parameters of the covariance by the names of `START`, ``attention`` is the weight of
    the attention to cells, ``shares`` of the smoothers sum to 1, ``scale`` takes the result to the amplitude
    that is best by least squares, ``correlation`` is the mean reached on left-out genes.
    """

    kernel: dict[str, torch.Tensor]
    attention: float
    shares: tuple[float, ...]
    scale: float
    correlation: float

    def gene_weights(self, features: GeneFeatures, n_visible: int) -> np.ndarray:
        """What turns visible maps into target maps, (n_visible, n_targets); the visible genes come first."""
        observed = _observed(features, self.kernel)
        return torch.linalg.solve(observed[:n_visible, :n_visible], observed[:n_visible, n_visible:]).numpy()

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.2f}" for share in self.shares)
        return (
            f"left-out correlation {self.correlation:.3f}, attention {self.attention:.2f}, smoothing {shares}"
        )


class LeftOut:
    """Mean correlation of left-out genes as a function of the parameters, without a sum over spots.

    The process predicts the left-out gene i as ``Y (I - A)``, column i, with ``A = K^-1 / diag(K^-1)``
    (Rasmussen and Williams, Eq. 5.12). Smoothing and attention are linear as well, so all that a correlation
    needs are second moments of the maps, gene x gene, made once.
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
        """Covariance with the truth and variance of each prediction, (n_genes,); ``observed`` has noise."""
        inverse = torch.linalg.inv(observed)
        take = torch.eye(len(observed), dtype=observed.dtype) - inverse / torch.diagonal(inverse)
        yy, yq = (torch.einsum("a,b,abij->ij", shares, shares, part) for part in (self.yy, self.yq))
        covariance = (torch.einsum("a,aij->ij", shares, self.ty) * take.T).sum(1)
        covariance = covariance + attention * shares @ self.tq
        variance = (take * (yy @ take + 2 * attention * yq)).sum(0)
        variance = variance + attention**2 * torch.einsum("a,b,abi->i", shares, shares, self.qq)
        return covariance, variance


def fit(features: GeneFeatures, maps: Sequence[np.ndarray], attended: Sequence[np.ndarray]) -> Fitted:
    """Kernel, smoothing and weight of the attention that predict left-out genes best.

    ``maps`` and ``attended`` are, for every smoother (the identity first), the z-scored maps of the genes of
    ``features`` and those by attention, (n_spots, n_genes).
    """
    left_out, n_smoothers, n_kernel = LeftOut(maps, attended), len(maps), len(START)
    table = [*START.values(), *[(-2.0, -8.0, 4.0)] * (n_smoothers - 1), (0.15, 0.0, 3.0)]
    start, *bounds = np.array(table).T
    anchor = torch.tensor(start[:n_kernel])

    def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Covariance of the measured maps, shares of the smoothers, attention."""
        shares = torch.softmax(torch.cat([x.new_zeros(1), x[n_kernel:-1]]), dim=0)
        return _observed(features, dict(zip(START, x, strict=False))), shares, x[-1]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.tensor(values, requires_grad=True)
        covariance, variance = left_out.moments(*parts(x))
        # a prediction with hardly any amplitude earns no correlation
        correlation = (covariance / torch.sqrt(variance + 1e-4)).mean()
        value = PRIOR * ((x[:n_kernel] - anchor) ** 2).mean() - correlation
        (gradient,) = torch.autograd.grad(value, x)
        return value.item(), gradient.numpy()

    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(*bounds, strict=True)),
        options={"maxiter": STEPS},
    )
    with torch.no_grad():
        best = torch.tensor(found.x)
        observed, shares, attention = parts(best)
        covariance, variance = left_out.moments(observed, shares, attention)
        # the correlation does not see the amplitude: least squares over all left-out genes gives it
        scale = max(float(covariance.sum() / (variance.sum() + 1e-9)), 0.0)
        correlation = float((covariance / torch.sqrt(variance + 1e-4)).mean())
    kernel = dict(zip(START, best, strict=False))
    return Fitted(kernel, float(attention), tuple(shares.tolist()), scale, correlation)


def _observed(features: GeneFeatures, p: dict[str, torch.Tensor]) -> torch.Tensor:
    """Covariance of the measured maps of all genes, (n_genes, n_genes): the process and noise."""
    noise = p["noise"].exp() * torch.eye(len(features.axes), dtype=features.axes.dtype)
    return features.covariance(p) + noise
