"""The networks of SpaDiT: they clean the noisy map of a gene, given its profile in the reference."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from stbench.toolbox.nn.dit import Block, FinalLayer, TimeEmbedding

NORM_EPS = 1e-4


class GeneTransformer(nn.Module):
    """The intended network: diffusion transformer whose tokens are genes."""

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
    """The network that the published code runs: an hourglass of ReLU layers that knows no time."""

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
        """As `GeneTransformer.forward`; ``time`` is not read."""
        return self.hourglass(torch.cat((self.map(noisy), self.profile(profiles)), dim=-1))
