"""The autoencoder of stPlus and its training; layers are held in parts, visible genes and others apart."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from stbench.errors import StbenchError

if TYPE_CHECKING:
    from stbench.methods import Context

    from . import StPlus

LARGE_REFERENCE = 10_000  # cells, from where the authors lower the learning rate


class Encoder(nn.Module):
    """Hidden layer ``relu(W x + b)``; W is held as its columns for ``n_seen`` and for ``n_unseen`` genes."""

    def __init__(self, n_seen: int, n_unseen: int, n_hidden: int, generator: torch.Generator):
        super().__init__()
        n_genes = n_seen + n_unseen
        self.seen = uniform((n_hidden, n_seen), n_genes, generator)
        self.unseen = uniform((n_hidden, n_unseen), n_genes, generator)
        self.bias = uniform((n_hidden,), n_genes, generator)

    def forward(self, seen: Tensor, unseen: Tensor | None = None) -> Tensor:
        """Hidden layer (n_rows, n_hidden); without ``unseen`` those genes are 0."""
        hidden = nn.functional.linear(seen, self.seen, self.bias)
        if unseen is not None:
            hidden = hidden + unseen @ self.unseen.T
        return hidden.relu()


class Decoder(nn.Module):
    """Reconstruction ``relu(W h + b)`` of one group of genes."""

    def __init__(self, n_hidden: int, n_genes: int, generator: torch.Generator):
        super().__init__()
        self.weight = uniform((n_genes, n_hidden), n_hidden, generator)
        self.bias = uniform((n_genes,), n_hidden, generator)

    def forward(self, hidden: Tensor) -> Tensor:
        """Values of the genes, (n_rows, n_genes)."""
        return nn.functional.linear(hidden, self.weight, self.bias).relu()


class Autoencoder(nn.Module):
    """One encoder; the spots give back their visible genes, the cells their other genes."""

    def __init__(self, n_seen: int, n_unseen: int, n_hidden: int, generator: torch.Generator):
        super().__init__()
        self.encoder = Encoder(n_seen, n_unseen, n_hidden, generator)
        self.spot_decoder = Decoder(n_hidden, n_seen, generator)
        self.cell_decoder = Decoder(n_hidden, n_unseen, generator)

    def loss(
        self, spots: Tensor, seen: Tensor, unseen: Tensor, cell_weight: float, zero_weight: float
    ) -> Tensor:
        """Summed loss of a batch of spots and of cells (their visible and their other genes)."""
        hidden = self.encoder(torch.cat([spots, seen]))  # (n_rows, n_hidden)
        spot_errors = (self.spot_decoder(hidden[: len(spots)]) - spots).square()
        cell_errors = (self.cell_decoder(hidden[len(spots) :]) - unseen).square()
        cell_errors = torch.where(unseen == 0, zero_weight * cell_errors, cell_errors)
        return spot_errors.sum() + cell_weight * cell_errors.sum()


def uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    """A parameter as PyTorch starts those of a linear layer, but from a generator of our own."""
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))


def train(
    method: StPlus, spots: np.ndarray, seen: np.ndarray, unseen: np.ndarray, ctx: Context
) -> list[Encoder]:
    """The encoders of the kept epochs, at most ``method.n_kept``.

    ``spots`` (n_spots, n_visible) are the visible genes of the spots, ``seen`` (n_cells, n_visible) and
    ``unseen`` (n_cells, n_others) the visible and the other genes of the cells.
    """
    n_spots, n_cells, n_seen, n_unseen = *spots.shape[:1], *seen.shape, unseen.shape[1]
    cell_weight = n_seen / n_unseen * n_spots / n_cells
    zero_weight = (np.count_nonzero(seen) + np.count_nonzero(unseen)) / (seen.size + unseen.size)
    # on the CPU, whatever the device: the same start and the same batches everywhere
    generator = torch.Generator().manual_seed(ctx.seed)
    net = Autoencoder(n_seen, n_unseen, method.n_hidden, generator).to(ctx.device)
    # training hides the other genes of the cells from the encoder: this part feels the weight decay alone
    net.encoder.unseen.grad = torch.zeros_like(net.encoder.unseen)
    rate = method.learning_rate or (4e-3 if n_cells < LARGE_REFERENCE else 8e-5)
    optimizer = torch.optim.Adam(net.parameters(), rate, weight_decay=method.weight_decay, fused=True)
    spots_, seen_, unseen_ = (torch.from_numpy(table).to(ctx.device) for table in (spots, seen, unseen))

    kept: list[tuple[float, Encoder]] = []
    previous = math.inf
    for epoch in range(method.max_epochs):
        batches = torch.randperm(n_spots + n_cells, generator=generator).split(method.batch_size)
        total = torch.zeros((), dtype=torch.float64, device=ctx.device)
        for batch in batches:
            spot, cell = batch[batch < n_spots], batch[batch >= n_spots] - n_spots
            loss = net.loss(spots_[spot], seen_[cell], unseen_[cell], cell_weight, zero_weight)
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        mean = total.item() / len(batches)
        ctx.progress(epoch + 1, method.max_epochs, loss=mean)
        if not math.isfinite(mean):
            raise StbenchError("The loss of stplus is not finite. Set stplus.learning_rate lower.")
        if settled(previous, mean, method.tolerance):
            ctx.log.info("settled after %d epochs, loss %g", epoch + 1, mean)
            break
        kept = keep_lowest(kept, mean, net.encoder, method.n_kept)
        previous = mean
    return [encoder for _, encoder in kept]


def settled(previous: float, loss: float, tolerance: float) -> bool:
    """Whether the loss changed by less than the share ``tolerance``; never in the first epoch."""
    return abs(loss - previous) < tolerance * previous if math.isfinite(previous) else False


def keep_lowest(
    kept: list[tuple[float, Encoder]], loss: float, encoder: Encoder, n_kept: int
) -> list[tuple[float, Encoder]]:
    """``kept`` and a copy of ``encoder``; of ``n_kept`` there already, the one of the highest loss leaves."""
    if len(kept) < n_kept:
        return [*kept, (loss, copy.deepcopy(encoder))]
    worst = max(range(n_kept), key=lambda i: kept[i][0])
    if loss >= kept[worst][0]:
        return kept
    return [*kept[:worst], (loss, copy.deepcopy(encoder)), *kept[worst + 1 :]]


@torch.no_grad()
def embed(encoder: Encoder, seen: np.ndarray, unseen: np.ndarray | None = None) -> np.ndarray:
    """Hidden layer (n_rows, n_hidden) of cells, or of spots, whose ``unseen`` genes are 0."""
    device = encoder.bias.device
    rest = None if unseen is None else torch.from_numpy(unseen).to(device)
    return encoder(torch.from_numpy(seen).to(device), rest).cpu().numpy()
