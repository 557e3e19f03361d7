"""CausalGeD: diffusion over the latents of genes with causal attention, as the paper describes it.

``mask.py`` has the order of generation and the attention mask, ``model.py`` the rows of genes and the
networks. ``learner.py`` trains them and ``sample.py`` generates the hidden genes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stbench.errors import StbenchError
from stbench.methods import Context, Method, Shape, Task, register

if TYPE_CHECKING:
    import numpy as np


@register(
    "causalged",
    family="generative",
    paper="Sadia, Ahamed and Cheng 2025",
    doi="10.48550/arXiv.2502.07751",
    version="2",
    packages=("torch",),
    gpu=True,
    tuned=("updates",),
)
@dataclass(frozen=True)
class CausalGeD(Method):
    """A transformer denoises the spatial latents of hidden genes, given those of the known genes.

    A sample is a gene, and so is a token. A two-headed encoder maps the expression of a gene over the spots
    and over the cells of the reference to latents; a decoder maps spatial latents back to the spots. The
    causal attention transformer (CAT) learns to denoise genes step by step: a gene sees the reference latents
    of all genes, the clean spatial latents of earlier steps and the noisy ones of its own step. For a
    prediction the visible genes are the first step and the targets the next. The mean of ``n_samples``
    decoded draws is multiplied by `target_maxima`. Coordinates, cell types and counts are not used.

    The number of updates is the best one on the validation genes for a model that sees the train genes only,
    see `stbench.toolbox.nn.training.train_and_predict`.

    Parameters
    ----------
    hidden
        Width of the first layer of the encoder and the last of the decoder (published code).
    latent
        Dimensions of a latent (published code).
    width, heads
        Width and attention heads of the CAT (published code).
    depth
        Blocks of the CAT (Fig. 9 varies 1 to 5).
    variational
        Whether the encoder gives a distribution (Fig. 7).
    kl_weight
        Weight of the Kullback-Leibler term, summed over dimensions, if ``variational`` (ours).
    denoise_input
        Share of spatial values set to zero in training (ours; the published code: 0.2 of the non-zeros).
    profiles
        The scale of a gene over the cells: z-scores divided by 4 (ours), or shares of its ``maximum``.
    cell_dropout
        Share of the cells of a gene that the encoder does not see in an update (ours). Without it, the
        encoder learns the profiles of the visible genes by heart, and the condition tells the CAT the answer.
    mix
        Share of the genes of an update that are mixed with another one, map and profile by the same random
        weights (ours): the map of a mixture is the mixture of the maps.
    target
        What the CAT learns to denoise: the ``mean`` of the posterior of a gene (ours), or a ``draw`` of it,
        half of whose variance no context predicts.
    align_weight
        Weight of the squared distance of a gene's reference latent from its spatial one (ours).
    decoder, pretrain_steps
        All variants first train encoder and decoder alone for ``pretrain_steps`` (ours). After that the
        decoder is trained further (``joint``) or not (``pretrained_frozen``): our reading of Fig. 6.
    generation
        ``direct`` decodes the reference latent without CAT and diffusion, a control for their effect.
    objective
        What the CAT predicts: the noise (paper) or the clean latent.
    timesteps
        Length of the cosine schedule (published code).
    t_sampling
        ``1/n``: train and sample on the multiples of n only (Table II).
    t_shared
        One time for all steps of a sequence, or one for each (paper).
    ar_steps
        ``one``: all genes are generated in one step, without autoregression and clean context.
    ar_step_decay
        Decay of the distribution of the number of steps, Algorithm 1 (Fig. 8; the paper chose 0.8).
    ar_weights, ar_weight_max
        Loss weights over the steps, from the largest to 1 (CausalFusion, as in the published code).
    cond
        Whether there are condition tokens from the reference; ``none`` leaves only the identity of a gene.
    context
        Whether a gene sees the clean spatial latents of genes of earlier steps.
    seq_genes, batch
        Largest number of genes in a sequence, and sequences of an update (ours).
    steps, lr, warmup, clip, ema
        Updates after pretraining, learning rate and its linear warm-up in updates, largest gradient norm,
        decay of the average of the weights that is used (ours, after CausalFusion).
    val_every, val_steps, val_samples, patience
        Number of updates between two checks, denoising steps and samples of a check, and number of checks
        without a better mean correlation that ends the training.
    n_samples, sample_steps, eta
        Draws to average, denoising steps of each, and its share of fresh noise (1: ancestral).
    n_ar_infer
        Autoregressive steps in which the targets are generated.
    compile
        Compile the CAT (useful only for long runs on CUDA).

    Notes
    -----
    Defaults are the preset ``paper``; "published code" and "ours" mark values that the paper does not give.
    The preset ``cpu`` is a smaller variant, with a latent that fits the number of genes, which also draws the
    reference latents towards the spatial ones.
    At 2,000 cells, 1,500 spots and 300 genes it takes at most 1e13 floating-point operations, including
    checks, second training and sampling, and less where the training stops early.

    There are no intervals: the spread of the samples is the uncertainty of the latent, not that of a measured
    value around its mean, and it is not calibrated. Its mean goes to the log.

    The published code differs from the paper. Deviations from one or the other:

    - Tokens are genes, as in the paper; in the code they are the coordinates of the latent of one gene.
    - Targets are generated from noise, reference and visible genes; the code copies test values into them.
    - Diffusion is in latent space (Eq. 3) and decoded once; the inference of the paper decodes a noise.
    - Autoencoding and Kullback-Leibler terms are added: neither paper nor code has a loss for the decoder.
    - A map is divided by its maximum and not centred, so that a sigmoid can end the decoder.
    - The CAT denoises means of posteriors, also as its clean context. Genes are mixed, and most cells are
      dropped, while it is trained.
    - Latents are standardised over genes, and their denoising gives no gradient to the encoder of maps.
    - The reference latent is the mean of its posterior, because it is an input and not an output.
    - AdamW with warm-up, constant rate and averaged weights; the published rate of 3e-6, divided by ten
      every 100 epochs, cannot move an output layer that starts at zero.
    - Samples are averaged, and denoised at a subset of the times of the schedule.
    - Tokens have no positions; a gene is identified by its latent in the reference.
    - "Adaptive" time sampling (Table II) is left out, because the paper does not define it.
    """

    hidden: int = 1024
    latent: int = 256
    width: int = 1024
    depth: int = 4
    heads: int = 16
    variational: bool = True
    kl_weight: float = 1e-4
    denoise_input: float = 0.0
    profiles: Literal["zscore", "maximum"] = "zscore"
    cell_dropout: float = 0.8
    mix: float = 0.5
    target: Literal["mean", "draw"] = "mean"
    align_weight: float = 0.0
    decoder: Literal["pretrained_frozen", "joint"] = "joint"
    pretrain_steps: int = 1000
    generation: Literal["diffusion", "direct"] = "diffusion"
    objective: Literal["eps", "x0"] = "eps"
    timesteps: int = 2000
    t_sampling: Literal["full", "1/2", "1/3", "1/4", "1/20"] = "full"
    t_shared: bool = False
    ar_steps: Literal["random", "one"] = "random"
    ar_step_decay: float = 0.8
    ar_weights: Literal["linear", "cosine", "none"] = "linear"
    ar_weight_max: float = 2.0
    cond: Literal["own", "none"] = "own"
    context: Literal["clean", "none"] = "clean"
    seq_genes: int = 1024
    batch: int = 8
    steps: int = 20_000
    lr: float = 1e-4
    warmup: int = 500
    clip: float = 1.0
    ema: float = 0.999
    val_every: int = 250
    val_steps: int = 20
    val_samples: int = 2
    patience: int = 12
    n_samples: int = 8
    sample_steps: int = 100
    eta: float = 1.0
    n_ar_infer: int = 1
    compile: bool = False

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "cpu": {
            "hidden": 256,
            "latent": 16,
            "width": 128,
            "depth": 2,
            "heads": 4,
            "align_weight": 1.0,
            "pretrain_steps": 300,
            "seq_genes": 256,
            "batch": 1,
            "steps": 1000,
            "lr": 1e-3,
            "warmup": 50,
            "ema": 0.99,
            "val_every": 50,
            "val_samples": 8,
            "patience": 6,
            "n_samples": 32,
            "sample_steps": 20,
        },
    }

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise StbenchError(f"causalged: width {self.width} is not a multiple of heads {self.heads}.")
        if self.decoder == "pretrained_frozen" and self.pretrain_steps == 0:
            raise StbenchError("causalged: a frozen decoder needs pretrain_steps > 0, or it stays random.")
        if self.generation == "direct" and self.align_weight == 0:
            raise StbenchError("causalged: generation 'direct' needs align_weight > 0, which trains it.")
        if not 0 <= self.cell_dropout < 1:
            raise StbenchError(f"causalged: cell_dropout must lie in [0, 1), not {self.cell_dropout}.")
        if not 0 < self.ar_step_decay <= 1:
            raise StbenchError(f"causalged: ar_step_decay must lie in (0, 1], not {self.ar_step_decay}.")

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Mean of the decoded samples, on the scale of ``task.spatial.X``, (n_spots, n_targets)."""
        from stbench.toolbox.nn.training import train_and_predict

        from .learner import CausalGeDLearner

        return train_and_predict(
            lambda part: CausalGeDLearner(self, part, ctx),
            task,
            ctx,
            max_updates=self.steps,
            check_every=self.val_every,
            patience=self.patience,
        )

    @property
    def sees_clean(self) -> bool:
        """Whether a gene sees the clean latents of earlier steps, which exist only with several steps."""
        return self.context == "clean" and self.ar_steps == "random"

    @property
    def time_stride(self) -> int:
        """The diffusion times in use are its multiples: n for ``t_sampling="1/n"``."""
        return 1 if self.t_sampling == "full" else int(self.t_sampling.removeprefix("1/"))

    def memory_bytes(self, shape: Shape) -> int:
        """Weights with their optimiser, activations of one step, the samples, and the rows of genes."""
        genes = shape.visible + shape.targets
        length = 3 * min(self.seq_genes, shape.visible)  # tokens of a sequence
        weights = self.hidden * (2 * shape.spots + shape.cells) + 12 * self.depth * self.width**2
        activations = self.batch * length * (20 * self.depth * self.width + 2 * length)
        samples = 3 * self.n_samples * (shape.targets * shape.spots + 2 * self.depth * 2 * genes * self.width)
        rows = 4 * genes * (shape.cells + shape.spots)
        return 300_000_000 + 4 * (7 * weights + activations + samples + rows)  # the first: PyTorch itself
