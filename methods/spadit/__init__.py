"""SpaDiT: a diffusion model that draws the map of a gene, given its profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stbench.methods import Context, Method, Shape, Task, register
from stbench.toolbox.nn import BYTES_PER_WEIGHT, TORCH_BYTES

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
    tuned=("updates",),
)
@dataclass(frozen=True)
class SpaDiT(Method):
    """Diffusion transformer that learns on the visible genes to predict a map from a profile.

    A sample is a gene, and so is a token: its map over the spots and its profile over the cells of the
    reference, each divided by its maximum, from -1 to 1. The network gets a map with noise and the clean
    profile, and predicts the clean map; the genes of a batch attend to each other. A target starts from pure
    noise and its profile. The prediction is the mean of ``n_samples`` samples times `target_maxima`.
    Coordinates are not used. The baseline `ridge_genes` is the linear equivalent.

    The number of updates is the best one on the validation genes for a model that sees the train genes only,
    see `stbench.toolbox.nn.training.train_and_predict`.

    Parameters
    ----------
    network
        ``dit``, the transformer that the published code defines, or ``mlp``, the network that it runs.
    hidden
        Width of map and of profile, half the width of the transformer (published: 256).
    depth, heads
        Blocks, and attention heads of each (published: 16 and 16).
    timesteps
        Times of the cosine schedule (published: 10).
    objective
        What the network predicts: the clean map (``x0``) or the noise (``eps``, published).
    rho, rho_zero
        Probability of noise for an entry of a train gene, where its map is not zero and where it is zero
        (published: 0.3 and 0.1). Other entries stay clean and outside the loss; targets have no such entries.
    sc_reduce
        ``pca100`` replaces the profiles by scores on 100 principal components; ``none`` uses them whole.
    context_genes
        Number of train genes, as noisy as the targets, that the sampler adds to the targets.
    batch, lr
        Genes of a batch, and constant learning rate of AdamW (published: 64 and 1e-4).
    max_updates, check_every, patience
        Largest number of updates (published: 20 epochs), number of updates between two checks, and number of
        checks without a better result that ends the training.
    sampling_steps
        Steps of the sampler, at most ``timesteps``.
    sampler
        ``ancestral`` (published) draws fresh noise in every step, ``ddim`` does not.
    n_samples
        Samples averaged (published: one).

    Notes
    -----
    The preset ``cpu`` is a smaller variant. It takes at most 5e12 floating-point operations at 2,000 cells,
    1,500 spots and 300 genes, and less where the training stops early.

    Deviations from the published code ("original"):

    - The network is the intended one. In the original its blocks are commented out and could not run; it runs
      ``network="mlp"``, whose inputs are neither the time nor other genes.
    - The samples contain no truth. The original copies every zero and 70 % of the other entries of the
      **test** maps into the prediction, after each step and at the end.
    - The network predicts the clean map, and the sampler uses it as such. The original trains for the noise
      and samples as if the network gave the map. Noise at every spot does not pass a layer narrower than the
      number of spots: on the validation genes of merfish_hypothalamus ``eps`` reaches a correlation of 0.01
      with 400 spots, and of 0.1 to 0.2 with 60, where the layer is wide enough.
    - The whole train map is noisy, because the whole target is unknown. Its values are not set to zero first;
      in the original this leaves nothing to learn from. The profile is clean in training too.
    - The condition is the time alone. The original would add the mean profile of the reference, which is the
      same for every gene, so that a bias has the same effect.
    - Maps are scaled by their own maximum, and genes are matched by name. Size factors and filters of the
      original use the test genes, and some of its pairs are of two different genes.
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

        from .model import SpaDiTLearner

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
        genes, width = shape.visible + shape.targets, 2 * self.hidden
        rows = 3 * 8 * (shape.cells + shape.spots) * genes
        weights = BYTES_PER_WEIGHT * (
            18 * self.depth * width**2 + (shape.cells + 3 * shape.spots) * self.hidden
        )
        tokens = (self.batch + self.context_genes) * self.n_samples
        activations = 4 * tokens * (6 * shape.spots + shape.cells + 32 * width * self.depth)
        return TORCH_BYTES + rows + weights + activations
