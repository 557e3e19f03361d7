"""The networks and the learner of SpaDiT, and its rows: maps and profiles of genes, from -1 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from stbench.methods import Context, Task, dense
from stbench.toolbox.components import leading_components
from stbench.toolbox.nn.diffusion import Diffusion
from stbench.toolbox.nn.dit import Block, FinalLayer, TimeEmbedding
from stbench.toolbox.nn.learner import (
    DiffusionLearner,
    Optimisation,
    autocast,
    build,
    even_batches,
    generator,
    loss_by_zeros,
)
from stbench.toolbox.scale import by_maximum, target_maxima

if TYPE_CHECKING:
    from . import SpaDiT

N_COMPONENTS = 100
NORM_EPS = 1e-4


@dataclass(frozen=True)
class GeneRows:
    """Rows of a task."""

    maps: Tensor  # (n_visible, n_spots)
    zero: Tensor  # where the maps are zero
    profiles: Tensor  # (n_visible, n_features)
    target_profiles: Tensor  # (n_targets, n_features)


def gene_rows(task: Task, sc_reduce: str, device: str) -> GeneRows:
    """The rows of a task, each ``2 x / maximum - 1``, matched by gene name."""
    maps = by_maximum(dense(task.spatial, task.visible)).T
    profiles = 2 * by_maximum(dense(task.reference, [*task.visible, *task.targets])).T - 1
    if sc_reduce == "pca100":
        profiles = principal_components(profiles)

    def on_device(rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).to(device)

    n_visible = len(maps)
    return GeneRows(
        on_device(2 * maps - 1),
        torch.from_numpy(maps == 0).to(device),
        on_device(profiles[:n_visible]),
        on_device(profiles[n_visible:]),
    )


def principal_components(profiles: np.ndarray) -> np.ndarray:
    """Scores of the genes on at most 100 components, (n_genes, n_components), with mean square 1."""
    centred = profiles - profiles.mean(axis=0)
    variances, axes = leading_components(
        centred @ centred.T, N_COMPONENTS
    )  # gene x gene, smaller than cell x cell
    scores = axes * np.sqrt(np.maximum(variances, 0))
    size = np.sqrt(np.square(scores).mean())
    return scores / size if size > 0 else scores


class GeneTransformer(nn.Module):
    """The intended network, a diffusion transformer whose tokens are genes."""

    def __init__(self, n_spots: int, n_features: int, hidden: int, depth: int, heads: int):
        super().__init__()
        self.map = nn.Linear(n_spots, hidden)
        self.profile = nn.Linear(n_features, hidden)
        self.time = TimeEmbedding(2 * hidden)
        self.blocks = nn.ModuleList(Block(2 * hidden, heads, NORM_EPS) for _ in range(depth))
        self.final = FinalLayer(2 * hidden, n_spots, NORM_EPS)

    def forward(self, noisy: Tensor, profiles: Tensor, time: Tensor) -> Tensor:
        """Maps (batch, genes, n_spots) from noisy ones at ``time`` (batch, genes) or (1, 1).

        ``profiles`` is (batch, genes, n_features). Genes of one batch attend to each other.
        """
        condition = silu(self.time(time))  # (batch, genes, width)
        h = torch.cat((self.map(noisy), self.profile(profiles)), dim=-1)  # (batch, genes, width)
        for block in self.blocks:
            h = block(h, condition)
        return self.final(h, condition)


class GeneMLP(nn.Module):
    """The network that the published code runs, an hourglass of ReLU layers without the time."""

    def __init__(self, n_spots: int, n_features: int, hidden: int):
        super().__init__()
        self.map = nn.Linear(n_spots, hidden)
        self.profile = nn.Linear(n_features, hidden)
        widths = [2 * hidden, 2 * hidden, hidden, hidden // 2, hidden // 2, hidden, 2 * hidden]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
        self.hourglass = nn.Sequential(*layers, nn.Linear(widths[-1], n_spots))

    def forward(self, noisy: Tensor, profiles: Tensor, time: Tensor) -> Tensor:
        """Same as `GeneTransformer.forward`; ``time`` is not used."""
        return self.hourglass(torch.cat((self.map(noisy), self.profile(profiles)), dim=-1))


class SpaDiTLearner(DiffusionLearner[nn.Module]):
    """SpaDiT on one task: learns from profile to map on the visible genes and predicts the targets."""

    def __init__(self, settings: SpaDiT, task: Task, ctx: Context):
        self.settings, self.task = settings, task
        self.genes = gene_rows(task, settings.sc_reduce, ctx.device)
        n_spots, n_features = self.genes.maps.shape[1], self.genes.profiles.shape[1]

        def network() -> nn.Module:
            if settings.network == "mlp":
                return GeneMLP(n_spots, n_features, settings.hidden)
            return GeneTransformer(n_spots, n_features, settings.hidden, settings.depth, settings.heads)

        diffusion = Diffusion(settings.timesteps, settings.objective, ctx.device)
        net, optimisation, n_rows = build(network, ctx), Optimisation(settings.lr), len(self.genes.maps)
        super().__init__(net, ctx, diffusion, optimisation, n_rows=n_rows, batch=settings.batch)

    def loss(self, rows: Tensor) -> Tensor:
        """Error on the noisy entries of the genes with these numbers, (batch,), by `loss_by_zeros`."""
        maps, profiles = self.genes.maps[rows][None], self.genes.profiles[rows][None]
        zero = self.genes.zero[rows][None]
        time = self.diffusion.draw_times(maps.shape[:2], self.generator)
        noisy, expected = self.diffusion.corrupt(maps, time, self.generator)
        chance = torch.rand(maps.shape, generator=self.generator, device=maps.device)
        noised = chance < torch.where(zero, self.settings.rho_zero, self.settings.rho)
        predicted = self.estimate(torch.where(noised, noisy, maps), profiles, time)
        return loss_by_zeros(predicted, expected, zero, noised)

    def estimate(self, noisy: Tensor, profiles: Tensor, time: Tensor) -> Tensor:
        """The noise or the map that the network predicts; shapes as in `GeneTransformer.forward`."""
        return self.net(noisy, profiles, time).float()

    @torch.no_grad()
    def predict(self) -> np.ndarray:
        """Mean of ``n_samples`` samples on the scale of ``X``, (n_spots, n_targets)."""
        fresh = generator(self.ctx.seed, "sampling", self.ctx.device)
        batches = even_batches(self.genes.target_profiles, self.batch)
        with autocast(self.ctx.device):
            maps = torch.cat([self._sample_batch(batch, fresh) for batch in batches])
        return (maps.double().cpu().numpy().T + 1) / 2 * target_maxima(self.task)

    def _sample_batch(self, profiles: Tensor, fresh: torch.Generator) -> Tensor:
        """Mean maps (batch, n_spots) of targets with these profiles, (batch, n_features)."""
        settings, n_targets = self.settings, len(profiles)
        shape = (settings.n_samples, n_targets, self.genes.maps.shape[1])
        order = torch.randperm(self.n_rows, generator=fresh, device=self.ctx.device)
        context = order[: settings.context_genes]
        others = self.genes.maps[context].expand(shape[0], -1, -1)  # (n_samples, n_context, n_spots)
        profiles = torch.cat((profiles, self.genes.profiles[context])).expand(shape[0], -1, -1)

        def estimate(x: Tensor, t: Tensor) -> Tensor:
            noisy, _ = self.diffusion.corrupt(others, t, fresh)
            return self.estimate(torch.cat((x, noisy), dim=1), profiles, t.expand(1, 1))[:, :n_targets]

        eta = float(settings.sampler == "ancestral")
        return self.diffusion.sample(estimate, shape, settings.sampling_steps, fresh, eta=eta).mean(dim=0)
