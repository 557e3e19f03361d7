"""SpaDiT: a diffusion model of genes that draws a map from a profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stbench.methods import Context, Method, Shape, Task, register

if TYPE_CHECKING:
    import numpy as np


@register(
    "spadit",
    family="generative",
    paper="Li, Zhu and Min 2024",
    doi="10.1093/bib/bbae571",
    version="1",
    packages=("torch",),
    gpu=True,
)
@dataclass(frozen=True)
class SpaDiT(Method):
    """Diffusion transformer that learns in the visible genes how a map follows from a profile.

    A gene is the sample and the token: its map over the spots and its profile over the cells of the
    reference, each over its maximum, from -1 to 1. The network gets a map with noise on it and the clean
    profile, and predicts the clean map; the genes of a batch attend to each other. For a target it starts
    from pure noise and its profile. The answer is the mean of ``n_samples`` samples times the maximum that
    `target_maxima` expects. Coordinates are not used. The baseline `ridge_genes` is the linear
    way to do the same.

    The number of updates is the one at which a model that sees the train genes only predicts the validation
    genes best, checked every ``check_every`` updates and stopped after ``patience`` checks without progress;
    the model that answers is then trained anew with both.

    Parameters
    ----------
    network
        ``dit``, the transformer that the published code defines, or ``mlp``, the one that it runs.
    hidden
        Width that map and profile have each, half the width of the transformer (published: 256).
    depth, heads
        Blocks, and attention heads of each (published: 16 and 16).
    timesteps
        Times of the cosine schedule (published: 10).
    objective
        What the network predicts: the clean map (``x0``) or the noise (``eps``, published).
    rho, rho_zero
        Chance that an entry of a train gene is noised, where its map is not zero and where it is (published:
        0.3 and 0.1). Other entries stay clean and outside the loss. At less than 1 the training shows what
        no target has, clean entries.
    sc_reduce
        ``pca100`` turns the profiles into scores on 100 principal components; ``none`` takes them whole.
    context_genes
        So many train genes, noised as much as the targets, join these while sampling.
    batch, lr
        Genes of a batch, and constant learning rate of AdamW (published: 64 and 1e-4).
    max_updates, check_every, patience
        Length of the training (published: 20 epochs) and its early stop.
    sampling_steps
        Steps of the sampler, out of ``timesteps``.
    sampler
        ``ancestral`` (published) draws fresh noise in every step, ``ddim`` none.
    n_samples
        Samples averaged (published: one).

    Notes
    -----
    ``cpu`` is a smaller variant: hidden width 128 of 256, 4 blocks of 16, 8 heads of 16, a rate of 2e-4, at
    most 500 updates, 20 steps of the sampler. At most 5e12 floating-point operations at 2,000 cells, 1,500
    spots and 300 genes, and less where the training stops early.

    Deviations from the published code:

    - The network is the intended one. Upstream its blocks are commented out and could not run; what runs is
      ``network="mlp"``, which knows neither time nor other genes.
    - No truth is pasted into the samples. Upstream, after each step and in the answer, every zero and 70 % of
      the other entries of the **test** maps are copied into the prediction.
    - The network predicts the clean map, and the sampler takes it as that. Upstream it is trained for the
      noise and sampled as if it gave the map. Noise at every spot does not pass through a layer narrower than
      the number of spots: on the validation genes of merfish_hypothalamus ``eps`` reaches a correlation of
      0.01 with 400 spots, and of 0.1 to 0.2 with 60, where the layer is wide enough.
    - All of a train map is noised, as all of a target is unknown, and its values are not set to zero first,
      which upstream leaves nothing to learn from. The profile is clean in training too.
    - The condition is the time alone; upstream would add the mean profile of the reference, which is the same
      for every gene and so is covered by a bias.
    - Maps are scaled by their own maximum, and genes are matched by name; upstream's size factors and filters
      use the test genes, and some of its pairs are of two different genes.
    - Time 0 is trained; 1,000 times instead of 10; the number of updates is chosen on validation genes
      instead of 20 epochs; samples are averaged.
    """

    network: Literal["dit", "mlp"] = "dit"
    hidden: int = 256
    depth: int = 16
    heads: int = 16
    timesteps: int = 1000
    objective: Literal["x0", "eps"] = "x0"
    rho: float = 1.0
    rho_zero: float = 1.0
    sc_reduce: Literal["none", "pca100"] = "none"
    context_genes: int = 0
    batch: int = 64
    lr: float = 1e-4
    max_updates: int = 2000
    check_every: int = 25
    patience: int = 10
    sampling_steps: int = 100
    sampler: Literal["ancestral", "ddim"] = "ancestral"
    n_samples: int = 8

    presets: ClassVar = {
        "cpu": {
            "hidden": 128,
            "depth": 4,
            "heads": 8,
            "lr": 2e-4,
            "max_updates": 500,
            "sampling_steps": 20,
        },
        "paper": {},
    }

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Mean of the samples on the scale of ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.nn.training import train_and_predict

        from .learner import SpaDiTLearner

        return train_and_predict(
            lambda part: SpaDiTLearner(self, part, ctx),
            task,
            ctx,
            max_updates=self.max_updates,
            check_every=self.check_every,
            patience=self.patience,
        )

    def memory_bytes(self, shape: Shape) -> int:
        """Torch, rows of both sides, weights in training, samples and activations of one batch."""
        from stbench.toolbox.nn import BYTES_PER_WEIGHT, TORCH_BYTES

        genes, width = shape.visible + shape.targets, 2 * self.hidden
        rows = 3 * 8 * (shape.cells + shape.spots) * genes
        weights = BYTES_PER_WEIGHT * (
            18 * self.depth * width**2 + (shape.cells + 3 * shape.spots) * self.hidden
        )
        tokens = (self.batch + self.context_genes) * self.n_samples
        activations = 4 * tokens * (6 * shape.spots + shape.cells + 32 * width * self.depth)
        return TORCH_BYTES + rows + weights + activations
