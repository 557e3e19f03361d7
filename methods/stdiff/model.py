"""The network and the learner of stDiff, and its rows: cells and spots, scaled by their visible genes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from anndata import AnnData
from torch import Tensor, nn
from torch.nn.functional import silu

from stbench.methods import Context, Task, dense
from stbench.toolbox.nn.diffusion import Diffusion
from stbench.toolbox.nn.dit import Block, FinalLayer, TimeEmbedding
from stbench.toolbox.nn.learner import (
    DiffusionLearner,
    Optimisation,
    autocast,
    build,
    even_batches,
    generator,
)
from stbench.toolbox.scale import size_factors

if TYPE_CHECKING:
    from . import StDiff

TOTAL = 1e4  # stDiff scales every row to this many counts
NORM_EPS = 1e-6


@dataclass(frozen=True)
class RowScale:
    """Total and largest logarithm of the visible genes of every row, (n_rows, 1) each; 1 for an empty row."""

    total: np.ndarray
    largest: np.ndarray

    @classmethod
    def of(cls, visible: np.ndarray) -> RowScale:
        """The scale of rows with these counts of visible genes, (n_rows, n_visible)."""
        total = _or_one(visible.sum(axis=1, keepdims=True))
        return cls(total, _or_one(np.log1p(TOTAL / total * visible).max(axis=1, keepdims=True)))

    def apply(self, counts: np.ndarray) -> np.ndarray:
        """``2 log(1e4 c / total + 1) / largest - 1``: -1 for zero, 1 for the largest visible gene."""
        return 2 * np.log1p(TOTAL / self.total * counts) / self.largest - 1

    def invert(self, rows: np.ndarray) -> np.ndarray:
        """The counts of ``rows`` (..., n_rows, n_genes)."""
        return self.total / TOTAL * np.expm1(self.largest * (rows + 1) / 2)


def training_rows(
    reference: AnnData, visible: Sequence[str], hidden: Sequence[str], added: float
) -> np.ndarray:
    """The cells, and a copy with ``added`` on every count, (2 n_cells, n_visible + n_hidden), fp32.

    Values are cut to 1, because a hidden gene may exceed the largest visible one. No copy if ``added`` is 0.
    """
    counts = _counts(reference, [*visible, *hidden])
    if added:
        counts = np.concatenate((counts, counts + added))
    rows = RowScale.of(counts[:, : len(visible)]).apply(counts)
    return np.minimum(rows, 1).astype(np.float32)


def spot_rows(task: Task) -> tuple[np.ndarray, RowScale]:
    """The spots on their visible genes, (n_spots, n_visible), fp32, and their scale."""
    counts = _counts(task.spatial, task.visible)
    scale = RowScale.of(counts)
    return scale.apply(counts).astype(np.float32), scale


def on_scale_of_x(task: Task, scale: RowScale, rows: np.ndarray) -> np.ndarray:
    """Predicted ``rows`` (..., n_spots, n_targets) on the scale of ``task.spatial.X``."""
    counts = scale.invert(rows)
    if task.units == "counts":
        totals = np.asarray(task.spatial.layers["counts"].sum(axis=1))
        counts = size_factors(totals)[:, None] * counts
    return np.log1p(counts)


def _counts(table: AnnData, genes: Sequence[str]) -> np.ndarray:
    """Counts, or intensities with their logarithm undone, (n_obs, n_genes)."""
    if "counts" in table.layers:
        return dense(table, genes, layer="counts")
    return np.expm1(dense(table, genes))


def _or_one(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1.0)


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
        """Estimate (batch, rows, n_hidden) from ``noisy`` hidden genes at ``time`` (batch, rows) or (1, 1).

        ``visible`` (batch, rows, n_visible) is clean. Rows of one batch attend to each other.
        """
        condition = silu(self.time(time) + self.condition(visible))  # (batch, rows, width)
        h = self.token(torch.cat((visible, noisy), dim=-1))  # (batch, rows, width)
        for block in self.blocks:
            h = block(h, condition)
        return self.final(h, condition)


class StDiffLearner(DiffusionLearner[Denoiser]):
    """stDiff on one task: learns from visible genes to targets on the cells and predicts the spots."""

    def __init__(self, settings: StDiff, task: Task, ctx: Context):
        self.settings, self.task = settings, task
        rows = training_rows(task.reference, task.visible, task.targets, settings.aug_add)
        self.rows = torch.from_numpy(rows).to(ctx.device)  # (n_rows, n_visible + n_targets)
        sizes = self.n_visible, self.n_targets = len(task.visible), len(task.targets)
        width, batch = settings.size(sum(sizes))
        net = build(lambda: Denoiser(*sizes, width, settings.depth, settings.heads), ctx)
        diffusion = Diffusion(settings.timesteps, settings.objective, ctx.device)
        super().__init__(net, ctx, diffusion, Optimisation(settings.lr), n_rows=len(rows), batch=batch)

    def loss(self, rows: Tensor) -> Tensor:
        """Squared error of the objective on the targets of the cells with these numbers, (batch,)."""
        cells = self.rows[rows][None]  # (1, batch, n_genes)
        visible, clean = cells.tensor_split([self.n_visible], dim=-1)
        time = self.diffusion.draw_times(cells.shape[:2], self.generator)
        noisy, expected = self.diffusion.corrupt(clean, time, self.generator)
        # the mean over all genes as in stDiff, where the visible ones are masked and add zero
        return (expected - self.estimate(visible, noisy, time)).square().sum() / cells.numel()

    def estimate(self, visible: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """The noise or the clean targets that the network predicts; shapes as in `Denoiser.forward`."""
        n_batches, n_rows, _ = noisy.shape
        if not self.settings.attend_batch:  # every row is a sequence of its own
            visible, noisy = visible.reshape(-1, 1, visible.shape[-1]), noisy.reshape(-1, 1, noisy.shape[-1])
            time = time.expand(n_batches, n_rows).reshape(-1, 1)
        return self.net(visible, noisy, time).float().reshape(n_batches, n_rows, -1)

    def check(self) -> np.ndarray:
        """The prediction from ``check_steps`` of the sampler."""
        return self.sample(self.settings.check_steps)

    def predict(self) -> np.ndarray:
        """Mean of ``n_samples`` samples on the scale of ``X``, (n_spots, n_targets)."""
        return self.sample(self.settings.sampling_steps)

    def sample(self, n_steps: int) -> np.ndarray:
        """The prediction in ``n_steps`` steps, in batches of spots as large as in training."""
        spots, scale = spot_rows(self.task)
        visible = torch.from_numpy(spots).to(self.ctx.device)
        fresh = generator(self.ctx.seed, "sampling", self.ctx.device)
        batches = even_batches(visible, self.batch)
        with autocast(self.ctx.device):
            rows = torch.cat([self._sample_batch(batch, n_steps, fresh) for batch in batches], dim=1)
        return on_scale_of_x(self.task, scale, rows.double().cpu().numpy()).mean(axis=0)

    def _sample_batch(self, visible: Tensor, n_steps: int, fresh: torch.Generator) -> Tensor:
        """Samples (n_samples, batch, n_targets) of the targets of spots, ``visible`` (batch, n_visible)."""
        visible = visible.expand(self.settings.n_samples, -1, -1)
        shape, eta = (*visible.shape[:2], self.n_targets), float(self.settings.sampler == "ancestral")
        return self.diffusion.sample(
            lambda x, t: self.estimate(visible, x, t.expand(1, 1)), shape, n_steps, fresh, eta=eta
        )
