"""SpaIM: a network from the means of a gene over cell types to its map, taught by an autoencoder of maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np

WIDTHS = (256, 512)  # of the deep and of the outer layer (authors' options)
N_CLUSTERS = 20  # of cells without labels


@register(
    "spaim",
    family="generative",
    paper="Li et al. 2025",
    doi="10.1038/s41467-025-63185-9",
    version="1",
    packages=("torch",),
    gpu=True,
)
@dataclass(frozen=True)
class SpaIM(Method):
    """SpaIM (Li et al. 2025, Nature Communications 16, 7861), written from descriptions of the paper.

    A gene is an example. Its content is its mean in each cell type, its style is what the tissue makes of it.

    1. Two encoders of the map of a visible gene, for content h and style g, each with two layers.
    2. Two encoders with the same widths in reverse, of the means over cell types, and of the constant 1: the
       style of a map that was not measured.
    3. One decoder for both: ``D1(D2(h2 * g2) + h1 * g1)``, products element by element.
    4. The loss is the squared difference of the contents, that of the Gram matrices of the styles over genes,
       and the cosine distances of decoded to measured and of generated to decoded maps, all with weight 1.

    The map of a target is generated from its means alone, and negative values are set to 0. The loss has no
    scale: a map is multiplied such that its mean is that which `along_line` expects from the reference.

    Parameters
    ----------
    epochs
        Passes over the genes (paper, 300).
    batch_size
        Genes per step (authors' options, 500).
    learning_rate
        Of Adam (authors' options, 0.001).
    n_copies, masked
        Copies of every gene, in each of which this share of the means is set to 0 (authors' code, 4 and 0.5).

    Deviations
    ----------
    - The authors' code has no licence and was not used, so nothing here was compared with it. Equations and
      sizes are from a published summary of the paper, defaults from the authors' list of options.
    - Cells without labels are in `N_CLUSTERS` clusters of k-means, where the authors take Leiden's.
    - Means over types, as in the authors' code; the paper has medians.
    - All epochs are used; the authors keep the best epoch on a fifth of the genes.
    """

    epochs: int = 300
    batch_size: int = 500
    learning_rate: float = 1e-3
    n_copies: int = 4
    masked: float = 0.5

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Generated maps on the scale of ``X``, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.groups import cell_groups
        from stbench.toolbox.sandbox import no_traces
        from stbench.toolbox.scale import along_line

        require_package("spaim", "torch", "torch", "torch")
        from .network import generate, train

        genes = sorted(task.varying_genes())
        seen = dense(task.spatial, genes)  # (n_spots, n_genes)
        known, new = dense(task.reference, genes), dense(task.reference, task.targets)
        names, groups = cell_groups(task, N_CLUSTERS, ctx.seed)
        share = np.eye(len(names))[groups] / np.bincount(groups)  # (n_cells, n_types)

        with no_traces(ctx.device):  # torch has no generator for the start of a layer
            network = train(self, known.T @ share, seen.T, WIDTHS, ctx)
        maps = np.maximum(generate(network, new.T @ share).T, 0)
        mean = along_line(known.mean(axis=0), seen.mean(axis=0), new.mean(axis=0))
        found = maps.mean(axis=0)
        return np.where(new.any(axis=0), maps * mean / np.where(found > 0, found, 1), 0)

    def memory_bytes(self, shape: Shape) -> int:
        """Four copies of the weights, twelve of a batch of maps, and the tables."""
        batch = min(self.batch_size, self.n_copies * shape.visible)
        weights = 3 * shape.spots * WIDTHS[1]
        tables = (shape.cells + 3 * shape.spots) * (shape.visible + shape.targets)
        return 4 * (4 * weights + 12 * batch * (shape.spots + 4 * sum(WIDTHS))) + 8 * tables
