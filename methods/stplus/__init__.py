"""stPlus: weighted nearest cells in the hidden layer of an autoencoder of cells and spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register(
    "stplus",
    family="alignment",
    paper="Chen et al. 2021",
    doi="10.1093/bioinformatics/btab298",
    version="1",
    packages=("torch",),
    gpu=True,
)
@dataclass(frozen=True)
class StPlus(Method):
    """stPlus (Chen et al. 2021, Bioinformatics 37, i299).

    1. Genes: the visible ones A, then the targets and the ``n_extra`` most variable others of the reference.
    2. An autoencoder with one hidden layer sees the genes A of cells and spots. It has to return A for the
       spots and all genes *outside* A for the cells. The weight of errors on zeros of the reference is the
       share of non-zeros, because many zeros are dropouts.
    3. Training stops when the mean loss hardly changes; the ``n_kept`` epochs of lowest loss are kept.
    4. Per kept epoch, the value at a spot is the weighted mean of the reference ``X`` over its nearest cells
       by cosine distance in the hidden layer, with the weights of SpaGE. Epochs are averaged.

    Cost: with a = number of visible genes, b of all genes in use, h = ``n_hidden``, an epoch takes
    ``6 h (n_cells b + 2 n_spots a)`` FLOPs. 2000 cells x 1500 spots, 270 visible genes and 2000 others are
    3e10 per epoch, and 2e12 for the 60 epochs that such data took.

    Parameters
    ----------
    n_hidden
        Units of the hidden layer (authors' code, 1000).
    n_extra
        Genes of the reference beside visible genes and targets (authors' code, 2000), at most all.
    n_neighbors
        Nearest cells (authors' code, 50), at most the number of cells.
    n_kept
        Epochs whose predictions are averaged (authors' code, 5).
    batch_size
        Cells and spots per step (authors' code, 512). The loss is a sum, so it depends on this number.
    learning_rate
        Of Adam. None is the rule of the authors' code: 0.004 below 10,000 cells, else 0.00008.
    weight_decay
        L2 penalty inside Adam (authors' code, 0.0002).
    tolerance
        Training stops when the loss changes by a smaller share between epochs (authors' code, 0.004).
    max_epochs
        Largest number of epochs (authors' code, 10000).
    mask_reference
        Embed cells by their genes A alone, as the spots; the authors' code embeds them by all genes.

    Deviations
    ----------
    - Products skip columns of zeros, kept epochs stay in memory, and one sparse product applies all weights.
    - A larger ``n_extra`` than there are genes takes all; the original fails.
    - A single neighbour, or neighbours all at distance 0, get equal weights; the original gives NaN.
    - A non-finite loss is an error.
    """

    n_hidden: int = 1000
    n_extra: int = 2000
    n_neighbors: int = 50
    n_kept: int = 5
    batch_size: int = 512
    learning_rate: float | None = None
    weight_decay: float = 2e-4
    tolerance: float = 0.004
    max_epochs: int = 10_000
    mask_reference: bool = False

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.genes import extra_genes
        from stbench.toolbox.neighbours import cosine_weights

        require_package("stplus", "torch", "torch", "torch")
        from .autoencoder import embed, train

        visible = sorted(task.visible)  # sorted: the order of the tables has no effect
        others = sorted(task.targets) + extra_genes(task, self.n_extra)
        spots = dense(task.spatial, visible, dtype=np.float32)  # (n_spots, n_visible)
        seen = dense(task.reference, visible, dtype=np.float32)  # (n_cells, n_visible)
        unseen = dense(task.reference, others, dtype=np.float32)  # (n_cells, n_others)

        targets = dense(task.reference, task.targets)  # (n_cells, n_targets)
        predictions = []
        for encoder in train(self, spots, seen, unseen, ctx):
            cells_at = embed(encoder, seen, None if self.mask_reference else unseen)  # (n_cells, n_hidden)
            weights = cosine_weights(cells_at, embed(encoder, spots), self.n_neighbors)
            predictions.append(weights @ targets)
        return np.mean(predictions, axis=0)

    def memory_bytes(self, shape: Shape) -> int:
        """The tables twice, ``n_kept + 8`` copies of the weights and four of the hidden layer, all fp32."""
        others = min(self.n_extra + shape.targets, shape.reference_genes - shape.visible)
        genes = shape.visible + others
        tables = shape.cells * genes + shape.spots * shape.visible
        hidden = (shape.cells + shape.spots) * self.n_hidden
        return 4 * (2 * tables + (self.n_kept + 8) * self.n_hidden * genes + 4 * hidden)
