"""SpatialScope: spots decomposed into cells drawn from a score model of the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, register

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from .score_model import ScoreNet
    from .spots import Spots

    Setting = tuple[ScoreNet, float, float]  # network, step, power

POWERS = (1.0, 2.0)  # exponents of the data term to choose from
STEPS = (1.0, 0.5)  # step sizes to choose from, as multiples of `SpatialScope.step`
ROWS = 2048  # cells that are sampled at once
SNAPSHOTS = 2  # moments of the training to choose from: half of it, and all


@register(
    "spatialscope",
    family="generative",
    paper="Wan et al. 2023",
    doi="10.1038/s41467-023-43629-w",
    version="1",
    packages=("torch", "igraph"),
    gpu=True,
)
@dataclass(frozen=True)
class SpatialScope(Method):
    """Decomposition of spots into cells with a score model of the reference (Wan et al. 2023).

    1. Labels. Every spot gets the cell type whose profile, corrected for the platform, makes its visible
       counts likely (Poisson-lognormal) and agrees with the neighbours: RCTD as SpatialScope uses it.
       Without coordinates there are no neighbours. Cells come with ``obs["cell_type"]`` or are clustered.
    2. Score model. A 1-D U-net along the gene axis learns, from noisy copies of the log expression of cells
       centred by the mean of their type, which noise was added; its weights are averaged over the training.
    3. Decomposition. Langevin steps at falling noise draw the cells of a spot from that prior, while the
       visible genes are pulled to the counts of the spot. The targets follow through the prior alone.

    The answer is the mean of the draws on a linear scale, brought to the visible depth of the spots, then
    ``log1p``: the scale of ``X`` up to the platform factor of a target, which nobody knows.

    The exponent of the data term (1 or 2), the step size (``step`` or half of it) and the length of the
    training (all or half of it) are chosen together on the validation genes, with the labels made anew from
    the train genes, at ``val_spots`` spots and one draw; the score model never sees spatial data.

    Parameters
    ----------
    n_cells
        Cells per spot (published: 1 at single-cell resolution, counted in the image for larger spots).
    n_genes
        Length of the gene axis, filled up with the most variable genes of the reference (published: 1000 to
        2000); visible genes and targets are always on it.
    gene_order
        ``clustered`` by correlation in the reference, or ``panel``, the order of the reference (published).
    target_sum
        Total of a cell before the logarithm (published: 1e4); None for the median total.
    nu
        Weight of the neighbours in the labels (published: 10).
    min_count
        Spots with fewer visible counts get the type of their neighbours (published: 20, dropped).
    width
        Channels of the network are 1, 4, 8 and 16 times this (published: 32 to 512).
    epochs, max_updates
        Passes through the cells (5000: the authors of stDiff, for this task; the original has 10000 and
        advises 3000 or more), and most updates, where the epochs would bring more.
    batch, lr, ema
        Cells per update, rate of Adam, memory of the averaged weights (published: 256, 1e-4, 0.999).
    sigma_max, sigma_min, n_levels, n_inner
        Geometric noise levels and Langevin steps at each (published: 100, 0.01, 232, 5).
    step
        Step size in units of the squared noise level (published: 1e-5 at a level of 0.01, that is 0.1).
    power
        Exponent of the data term where it is not chosen (published: 1).
    n_replicates
        Draws that are averaged (published: 3).
    tune
        Whether to choose as above; otherwise ``step``, ``power`` and the whole training are used.
    val_spots
        Most spots of the choice.

    Notes
    -----
    ``cpu`` is a smaller variant: width 4 of 32; 500 updates of 128 cells at a rate of 5e-3; no genes beyond
    the visible ones and the targets; totals at their median; 15 noise levels of 232, from 5 to 0.02, and 2
    steps of 5 at each, which need steps ten times as large; 6 draws. About 6e12 floating-point operations at
    2,000 cells, 1,500 spots and 300 genes (a row costs 1.1e7, three times that in training); 1.1e13 at 129
    genes, where the network narrows less.

    Memory: the features of the types for the 2,048 cells sampled at once, about 40 x ``width`` values per
    gene and cell, and dense copies of the tables.

    Deviations from the published code:

    - Labels, depths and platform factors come from the visible genes of the split. Upstream's evaluation
      scripts make the labels once with all genes, hidden ones included.
    - The answer is in the logarithm; upstream compares its linear values with logarithms.
    - The average of the weights has a short memory at first (decay ``(1 + t) / (10 + t)``), else a short
      training would keep its start.
    - Weights of the types maximise the Poisson likelihood by multiplicative updates, not by reweighted least
      squares. The likelihood is integrated at 15 nodes around its mode, not read from tables. Neighbours are
      pairs of spots; cells of one spot are not neighbours of each other.
    - Spots under ``min_count``, at most the shallower half, keep their row; upstream drops them. An empty
      spot is drawn from the prior of the type of its neighbours.
    - A spot whose draw overflows is drawn again, at most five times in all, then the run fails.
    - A target that no cell of the reference has is 0.
    - Weights are drawn with zero biases; training on CUDA is in bfloat16, sampling in fp32.
    - Clusters are Leiden at resolution 0.5 on an unweighted graph of nearest cells.
    """

    n_cells: int = 1
    n_genes: int = 1000
    gene_order: Literal["clustered", "panel"] = "clustered"
    target_sum: float | None = 1e4
    nu: float = 10.0
    min_count: int = 20
    width: int = 32
    epochs: int = 5000
    max_updates: int | None = None
    batch: int = 256
    lr: float = 1e-4
    ema: float = 0.999
    sigma_max: float = 100.0
    sigma_min: float = 0.01
    n_levels: int = 232
    n_inner: int = 5
    step: float = 0.1
    power: float = 1.0
    n_replicates: int = 3
    tune: bool = True
    val_spots: int = 200

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "cpu": {
            "n_genes": 0,
            "target_sum": None,
            "width": 4,
            "max_updates": 500,
            "batch": 128,
            "lr": 5e-3,
            "sigma_max": 5.0,
            "sigma_min": 0.02,
            "n_levels": 15,
            "n_inner": 2,
            "step": 1.0,
            "n_replicates": 6,
        },
    }

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Decomposed expression on the scale of ``task.spatial.X``, (n_spots, n_targets)."""
        task.require_counts()
        import torch

        from stbench.toolbox.tuning import choose

        from .reference import read_cells
        from .sample import Schedule, decompose
        from .spots import read_spots
        from .train import noise_levels, train

        if "cell_type" not in task.reference.obs:
            require_package("spatialscope", "igraph", "igraph", "spatialscope")
        generator = torch.Generator(ctx.device).manual_seed(ctx.seed)
        sigmas = noise_levels(self.sigma_max, self.sigma_min, self.n_levels)
        cells = read_cells(
            task, n_genes=self.n_genes, gene_order=self.gene_order, target_sum=self.target_sum, seed=ctx.seed
        )
        nets = train(
            cells,
            width=self.width,
            sigmas=sigmas,
            n_updates=self.updates(task.reference.n_obs),
            batch=self.batch,
            lr=self.lr,
            ema=self.ema,
            snapshots=SNAPSHOTS if self.tune else 1,
            generator=generator,
            progress=ctx.progress,
        )
        means = torch.from_numpy(cells.means).to(ctx.device)
        expressed = means.any(dim=0)

        def read(part: Task) -> Spots:
            return read_spots(
                part, cells, n_cells=self.n_cells, nu=self.nu, min_count=self.min_count, device=ctx.device
            )

        def sample(spots: Spots, setting: Setting, n_replicates: int) -> np.ndarray:
            net, step, power = setting
            schedule = Schedule(sigmas, self.n_inner, step, power)
            linear = decompose(
                net,
                means,
                spots,
                schedule,
                generator,
                n_replicates=n_replicates,
                rows=ROWS,
                progress=ctx.progress,
            )
            answer = (linear[:, spots.hidden] * spots.size).log1p()
            return torch.where(expressed[spots.hidden], answer, 0.0).cpu().numpy()

        def attempt(inner: Task, settings: Sequence[Setting]) -> Iterator[np.ndarray]:
            spots = read(inner)
            return (sample(spots, setting, 1) for setting in settings)

        chosen: Setting = (nets[-1], self.step, self.power)
        if self.tune:
            settings = [(net, self.step * s, p) for net in reversed(nets) for s in STEPS for p in POWERS]
            chosen = choose(self._fewer_spots(task, ctx.seed), settings, attempt)
        ctx.log.info("step %g, power %g, snapshot %d", chosen[1], chosen[2], nets.index(chosen[0]) + 1)
        return sample(read(task), chosen, self.n_replicates)

    def _fewer_spots(self, task: Task, seed: int) -> Task:
        """The task with at most ``val_spots`` spots, drawn with ``seed``."""
        import numpy as np

        n_spots = task.spatial.n_obs
        rows = np.sort(np.random.default_rng(seed).permutation(n_spots)[: self.val_spots])
        return Task(task.reference, task.spatial[rows].copy(), task.targets, task.units)

    def updates(self, n_cells: int) -> int:
        """Updates of the weights: ``epochs``, unless ``max_updates`` is less."""
        updates = self.epochs * math.ceil(n_cells / self.batch)
        return updates if self.max_updates is None else min(updates, self.max_updates)

    def memory_bytes(self, shape: Shape) -> int:
        """Activations of one batch of the sampler, dense copies of both datasets, and the label step."""
        n_genes = max(shape.visible + shape.targets, min(self.n_genes, shape.reference_genes))
        network = 4 * 40 * self.width * n_genes * max(ROWS, 8 * self.batch)
        tables = 8 * 6 * (shape.cells + self.n_cells * shape.spots) * n_genes
        return network + tables + 500_000_000  # scanpy and torch themselves
