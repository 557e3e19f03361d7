"""The network of stDiff: separates the hidden genes of a cell from noise, given its visible ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from stbench.toolbox.nn.dit import Block, FinalLayer, TimeEmbedding

NORM_EPS = 1e-6


class Denoiser(nn.Module):
    """Diffusion transformer whose tokens are cells or spots, so that attention runs among them."""

    def __init__(self, n_visible: int, n_hidden: int, width: int, depth: int, heads: int):
        super().__init__()
        self.token = nn.Linear(n_visible + n_hidden, width)
        self.time = TimeEmbedding(width)
        self.condition = nn.Linear(n_visible, width)
        self.blocks = nn.ModuleList(Block(width, heads, NORM_EPS) for _ in range(depth))
        self.final = FinalLayer(width, n_hidden, NORM_EPS)

    def forward(self, visible: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """Estimate (batch, rows, n_hidden) from ``noisy``, hidden genes at ``time`` (batch, rows) or (1, 1).

        ``visible`` (batch, rows, n_visible) is clean. Rows of one batch attend to each other.
        """
        condition = silu(self.time(time) + self.condition(visible))  # (batch, rows, width)
        h = self.token(torch.cat((visible, noisy), dim=-1))  # (batch, rows, width)
        for block in self.blocks:
            h = block(h, condition)
        return self.final(h, condition)
