"""SpatialScope: decomposition of spots into cells that a score model of the reference draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, register

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from .score_model import ScoreNet

    Setting = tuple[ScoreNet, float, float, int]  # network, step, power, cells per spot

POWERS = (1.0, 2.0)  # exponents of the data term to choose from
STEPS = (1.0, 0.5)  # step sizes to choose from, as multiples of `SpatialScope.step`
CELLS = (1, 4)  # numbers of cells per spot to choose from
ROWS = 2048  # cells that are sampled at once


@register(
    "spatialscope",
    family="generative",
    paper="Wan et al. 2023",
    doi="10.1038/s41467-023-43629-w",
    version="2",
    packages=("torch", "igraph"),
    gpu=True,
    tuned=("step", "power", "snapshot", "n_cells"),
)
@dataclass(frozen=True)
class SpatialScope(Method):
    """Decomposition of spots into cells with a score model of the reference (Wan et al. 2023).

    1. Labels. Every spot gets the cell type whose profile, corrected for the platform, makes its visible
       counts likely (Poisson-lognormal) and agrees with the neighbours: RCTD as SpatialScope uses it.
       Without coordinates there are no neighbours. Without ``obs["cell_type"]`` the cells are clustered.
    2. Score model. A 1-D U-net along the gene axis learns to predict the noise in noisy copies of the log
       expression of cells, centred by the mean of their type. Its weights are averaged over the training.
    3. Decomposition. Langevin steps with falling noise draw the cells of a spot from this prior and pull the
       visible genes to the counts of the spot. The targets follow through the prior alone.

    The prediction is ``log1p`` of the mean of the draws on a linear scale, scaled to the visible depth of the
    spots. This is the scale of ``X`` up to the platform factor of a target, which is unknown.

    The exponent of the data term (1 or 2), the step size (``step`` or half of it) and the length of the
    training (all or half of it) are chosen together on the validation genes, with new labels from the train
    genes, ``val_spots`` spots and one draw. Then the number of cells per spot is chosen in the same way. The
    score model never sees spatial data.

    Parameters
    ----------
    n_cells
        Cells per spot (published: 1 at single-cell resolution; for larger spots counted in the image). None
        takes the best of `CELLS` on the validation genes.
    n_genes
        Length of the gene axis: visible genes, targets, most variable others (published: 1000 to 2000).
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
        advises 3000 or more), and limit of the number of updates.
    batch, lr, ema
        Cells per update, rate of Adam, decay of the averaged weights (published: 256, 1e-4, 0.999).
    sigma_max, sigma_min, n_levels, n_inner
        Geometric noise levels and Langevin steps at each (published: 100, 0.01, 232, 5).
    step
        Step size in units of the squared noise level (published: 1e-5 at a level of 0.01, that is 0.1).
    power
        Exponent of the data term without ``tune`` (published: 1).
    n_replicates
        Draws that are averaged (published: 3).
    tune
        Whether to choose step, power and training as above; otherwise they are used as given.
    val_spots
        Largest number of spots for the choice.

    Notes
    -----
    The preset ``cpu`` is a smaller variant. Its fewer noise levels need steps ten times as large. It takes
    about 6e12 floating-point operations at 2,000 cells, 1,500 spots and 300 genes (a row costs 1.1e7, three
    times that in training), and 1.1e13 at 129 genes, where the network narrows less.

    Memory: the features of the types for the 2,048 cells sampled at once, about 40 x ``width`` values per
    gene and cell, and dense copies of the tables.

    Deviations from the published code:

    - Labels, depths and platform factors come from the visible genes of the split. The evaluation scripts of
      the authors make the labels once with all genes, also the hidden ones.
    - The prediction is in the logarithm; the authors compare linear values with logarithms.
    - The decay of the averaged weights starts small, ``(1 + t) / (10 + t)``, to forget the first weights.
    - Multiplicative updates, not reweighted least squares, find the weights of the types of largest Poisson
      likelihood. The likelihood is integrated at 15 nodes around its mode, not read from tables. Neighbours
      are pairs of spots; cells of one spot are not neighbours of each other.
    - Spots under ``min_count``, at most the shallower half, keep their row; the authors drop them. An empty
      spot is drawn from the prior of the type of its neighbours.
    - A spot whose draw overflows is drawn again, at most five times in total; then the run fails.
    - A target that no cell of the reference has is 0.
    - Biases start at zero; training on CUDA is in bfloat16, sampling in fp32.
    - Clusters are Leiden at resolution 0.5 on an unweighted graph of nearest cells.
    """

    n_cells: int | None = None
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
        import numpy as np
        import torch

        from stbench.toolbox.tuning import choose

        from .data import read_cells, read_spots
        from .sample import Schedule, decompose
        from .train import noise_levels, train

        if "cell_type" not in task.reference.obs:
            require_package("spatialscope", "igraph", "igraph", "spatialscope")
        generator = torch.Generator(ctx.device).manual_seed(ctx.seed)
        sigmas = noise_levels(self.sigma_max, self.sigma_min, self.n_levels)
        cells = read_cells(task, self, ctx.seed)
        nets = train(cells, self, sigmas, generator, ctx.progress)
        means = torch.from_numpy(cells.means).to(ctx.device)
        expressed = means.any(dim=0)

        def sample(part: Task, settings: Sequence[Setting], n_replicates: int = 1) -> Iterator[np.ndarray]:
            sizes = {n_cells for *_, n_cells in settings}
            labelled = {n: read_spots(part, cells, self, n, ctx.device) for n in sizes}
            for net, step, power, n_cells in settings:
                spots, schedule = labelled[n_cells], Schedule(sigmas, self.n_inner, step, power)
                linear = decompose(
                    net, means, spots, schedule, generator,
                    n_replicates=n_replicates, rows=ROWS, progress=ctx.progress,
                )  # fmt: skip
                values = (linear[:, spots.hidden] * spots.size).log1p()
                yield torch.where(expressed[spots.hidden], values, 0.0).cpu().numpy()

        rows = np.random.default_rng(ctx.seed).permutation(task.spatial.n_obs)[: self.val_spots]
        some = replace(task, spatial=task.spatial[np.sort(rows)].copy())
        n_cells = CELLS[0] if self.n_cells is None else self.n_cells
        chosen: Setting = (nets[-1], self.step, self.power, n_cells)
        if self.tune:
            nets.reverse()  # the whole training first
            grid = product(nets, STEPS, POWERS)
            chosen = choose(some, [(net, self.step * s, power, n_cells) for net, s, power in grid], sample)
            ctx.chosen(step=chosen[1], power=chosen[2], snapshot=len(nets) - nets.index(chosen[0]))
        if self.n_cells is None:
            chosen = choose(some, [(*chosen[:3], n) for n in CELLS], sample)
            ctx.chosen(n_cells=chosen[3])
        return next(sample(task, [chosen], self.n_replicates))

    def updates(self, n_cells: int) -> int:
        """Number of updates of the weights, from ``epochs`` and ``max_updates``."""
        updates = self.epochs * math.ceil(n_cells / self.batch)
        return updates if self.max_updates is None else min(updates, self.max_updates)

    def memory_bytes(self, shape: Shape) -> int:
        """Activations of one batch of the sampler, dense copies of both datasets, and the labels."""
        n_genes = max(shape.visible + shape.targets, min(self.n_genes, shape.reference_genes))
        network = 4 * 40 * self.width * n_genes * max(ROWS, 8 * self.batch)
        n_cells = max(CELLS) if self.n_cells is None else self.n_cells
        tables = 8 * 6 * (shape.cells + n_cells * shape.spots) * n_genes
        return network + tables + 500_000_000  # scanpy and torch themselves
