"""The autoencoder of stPlus and its training. Layers have separate parts for visible and other genes."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from stbench.errors import StbenchError

if TYPE_CHECKING:
    from stbench.methods import Context

    from . import StPlus

LARGE_REFERENCE = 10_000  # number of cells from which the authors use a lower learning rate


class Encoder(nn.Module):
    """Hidden layer ``relu(W x + b)``. W has two parts, for ``n_seen`` and for ``n_unseen`` genes."""

    def __init__(self, n_seen: int, n_unseen: int, n_hidden: int):
        super().__init__()
        self.seen = nn.Parameter(torch.empty(n_hidden, n_seen))
        self.unseen = nn.Parameter(torch.empty(n_hidden, n_unseen))
        self.bias = nn.Parameter(torch.empty(n_hidden))

    def forward(self, seen: Tensor, unseen: Tensor | None = None) -> Tensor:
        """Hidden layer (n_rows, n_hidden); without ``unseen`` those genes are 0."""
        hidden = nn.functional.linear(seen, self.seen, self.bias)
        if unseen is not None:
            hidden = hidden + unseen @ self.unseen.T
        return hidden.relu()


class Autoencoder(nn.Module):
    """One encoder, a decoder of the visible genes for the spots and one of the other genes for the cells."""

    def __init__(self, n_seen: int, n_unseen: int, n_hidden: int, generator: torch.Generator):
        super().__init__()
        self.encoder = Encoder(n_seen, n_unseen, n_hidden)
        self.spot_decoder = skip_init(nn.Linear, n_hidden, n_seen)
        self.cell_decoder = skip_init(nn.Linear, n_hidden, n_unseen)
        # the start of PyTorch's linear layers, but from a generator of our own
        for name, parameter in self.named_parameters():
            bound = 1 / math.sqrt(n_seen + n_unseen if name.startswith("encoder") else n_hidden)
            nn.init.uniform_(parameter, -bound, bound, generator)

    def loss(
        self, spots: Tensor, seen: Tensor, unseen: Tensor, cell_weight: float, zero_weight: float
    ) -> Tensor:
        """Summed loss of a batch of spots and of cells (their visible and their other genes)."""
        hidden = self.encoder(torch.cat([spots, seen]))  # (n_rows, n_hidden)
        spot_errors = (self.spot_decoder(hidden[: len(spots)]).relu() - spots).square()
        cell_errors = (self.cell_decoder(hidden[len(spots) :]).relu() - unseen).square()
        cell_errors = torch.where(unseen == 0, zero_weight * cell_errors, cell_errors)
        return spot_errors.sum() + cell_weight * cell_errors.sum()


def train(
    method: StPlus, spots: np.ndarray, seen: np.ndarray, unseen: np.ndarray, ctx: Context
) -> list[Encoder]:
    """The encoders of the kept epochs, at most ``method.n_kept``.

    The tables are the visible genes of the spots, and the visible (``seen``) and other genes of the cells.
    """
    n_spots, n_cells, n_seen, n_unseen = *spots.shape[:1], *seen.shape, unseen.shape[1]
    cell_weight = n_seen / n_unseen * n_spots / n_cells
    zero_weight = (np.count_nonzero(seen) + np.count_nonzero(unseen)) / (seen.size + unseen.size)
    # always on the CPU: the same start and the same batches on every device
    generator = torch.Generator().manual_seed(ctx.seed)
    net = Autoencoder(n_seen, n_unseen, method.n_hidden, generator).to(ctx.device)
    # training hides the other genes of the cells from the encoder: only the weight decay changes this part
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
    """Whether the loss changed by less than the share ``tolerance``; False for an infinite ``previous``."""
    return abs(loss - previous) < tolerance * previous


def keep_lowest(
    kept: list[tuple[float, Encoder]], loss: float, encoder: Encoder, n_kept: int
) -> list[tuple[float, Encoder]]:
    """``kept`` with a copy of ``encoder``, which replaces the one of the highest loss if ``kept`` is full."""
    if len(kept) < n_kept:
        return [*kept, (loss, copy.deepcopy(encoder))]
    worst = max(range(n_kept), key=lambda i: kept[i][0])
    if loss < kept[worst][0]:
        kept[worst] = loss, copy.deepcopy(encoder)
    return kept


@torch.no_grad()
def embed(encoder: Encoder, seen: np.ndarray, unseen: np.ndarray | None = None) -> np.ndarray:
    """Hidden layer (n_rows, n_hidden) of cells, or of spots, where ``unseen`` is None."""
    device = encoder.bias.device
    rest = None if unseen is None else torch.from_numpy(unseen).to(device)
    return encoder(torch.from_numpy(seen).to(device), rest).cpu().numpy()
