"""The network of SpaIM, its loss and its training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss

from stbench.errors import StbenchError
from stbench.methods import Context

if TYPE_CHECKING:
    from . import SpaIM


def block(n_in: int, n_out: int) -> nn.Sequential:
    """A layer of an encoder, or of the decoder."""
    return nn.Sequential(nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.ReLU())


class Encoder(nn.Module):
    """Two layers; both are returned."""

    def __init__(self, n_in: int, first: int, second: int):
        super().__init__()
        self.first, self.second = block(n_in, first), block(first, second)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (genes, n_in)
        first = self.first(x)
        return first, self.second(first)  # (genes, first), (genes, second)


class Network(nn.Module):
    """Autoencoder and generator of the maps of genes, with one decoder."""

    def __init__(self, n_types: int, n_spots: int, widths: tuple[int, int]):
        super().__init__()
        deep, outer = widths
        self.map_content, self.map_style = Encoder(n_spots, outer, deep), Encoder(n_spots, outer, deep)
        self.content, self.style = Encoder(n_types, deep, outer), Encoder(1, deep, outer)
        self.inner, self.last = block(deep, outer), nn.Linear(outer, n_spots)

    def decode(self, content: tuple[Tensor, Tensor], style: tuple[Tensor, Tensor]) -> Tensor:
        """Maps (genes, n_spots) of content and style, each (genes, deep) and (genes, outer)."""
        deep, outer = (h * g for h, g in zip(content, style, strict=True))
        return self.last(self.inner(deep) + outer)

    def styles(self, n_genes: int) -> tuple[Tensor, Tensor]:
        """The style of maps that were not measured, the same for all genes."""
        return self.style(torch.ones(n_genes, 1, device=self.last.weight.device))

    def forward(self, means: Tensor) -> Tensor:
        """Generated maps (genes, n_spots) of the means over cell types (genes, n_types)."""
        return self.decode(self.content(means), self.styles(len(means)))

    def loss(self, means: Tensor, maps: Tensor) -> Tensor:
        """The three losses of a batch of genes: (genes, n_types) and (genes, n_spots)."""
        h, g = self.map_content(maps)[::-1], self.map_style(maps)[::-1]
        h_new, g_new = self.content(means), self.styles(len(means))
        decoded, generated = self.decode(h, g), self.decode(h_new, g_new)
        content = sum(mse_loss(a, b) for a, b in zip(h, h_new, strict=True))
        style = sum(mse_loss(gram(a), gram(b)) for a, b in zip(g, g_new, strict=True))
        return content + style + distance(decoded, generated) + distance(decoded, maps)


def gram(style: Tensor) -> Tensor:
    """Products of the styles of all pairs of genes, (genes, genes)."""
    return style @ style.T / style.numel()


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean cosine distance of the maps of genes."""
    return 1 - cosine_similarity(a, b, dim=1).mean()


def train(
    method: SpaIM, means: np.ndarray, maps: np.ndarray, widths: tuple[int, int], ctx: Context
) -> Network:
    """The network after all epochs; ``means`` is (genes, n_types), ``maps`` (genes, n_spots).

    It sets the seed of torch. The start, the masks and the batches are drawn on the CPU, so they are the same
    on every device.
    """
    torch.manual_seed(ctx.seed)
    network = Network(means.shape[1], maps.shape[1], widths).to(ctx.device)
    copies = torch.from_numpy(np.tile(means, (method.n_copies, 1))).float()
    copies = (copies * (torch.rand(copies.shape) >= method.masked)).to(ctx.device)
    targets = torch.from_numpy(maps).float().to(ctx.device)
    optimizer = torch.optim.Adam(network.parameters(), method.learning_rate)
    for epoch in range(method.epochs):
        for batch in torch.randperm(len(copies)).split(method.batch_size):
            loss = network.loss(copies[batch], targets[batch % len(targets)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        ctx.progress(epoch + 1, method.epochs, loss=loss.item())
        if not math.isfinite(loss.item()):
            raise StbenchError("The loss of spaim is not finite. Set spaim.learning_rate lower.")
    return network


@torch.no_grad()
def generate(network: Network, means: np.ndarray) -> np.ndarray:
    """Generated maps (genes, n_spots) of the means over cell types (genes, n_types)."""
    device = network.last.weight.device
    return network(torch.from_numpy(means).float().to(device)).cpu().numpy()
