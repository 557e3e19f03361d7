"""Tangram: cells mapped to spots by gradient descent, with the package tangram-sc."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

MANY_TYPES = 100  # most cell types that the estimate of memory expects
N_CLUSTERS = 50  # of cells without labels


@register(
    "tangram",
    family="alignment",
    paper="Biancalani et al. 2021",
    doi="10.1038/s41592-021-01264-7",
    version="1",
    packages=("tangram-sc", "torch"),
    gpu=True,
)
@dataclass(frozen=True)
class Tangram(Method):
    """Tangram (Biancalani et al. 2021, Nature Methods 18, 1352), by tangram-sc 1.0.4.

    Every cell gets a distribution over the spots, M = softmax(W), such that the sum of the cells is similar
    to the measured genes (cosine per gene) and the mass per spot follows a density. A target at a spot is the
    sum of the mapped cells, ``p = M' counts``. Counts are not normalised (advice of the authors); without
    counts ``X`` is used on both sides.

    The sums are in counts of the reference times cells per spot. One factor for the whole dataset puts them
    on the scale of ``X``: log(N p / mean depth + 1), where N is the median measured depth and the mean is
    that of the predicted depth over spots. Differences in depth between spots follow the density and stay.

    Parameters
    ----------
    mode
        ``cells`` (package default) maps every cell. ``clusters`` maps the summed cells of each type in
        ``obs["cell_type"]``, as the authors do for large references; it is another estimator. Without labels
        the types are `N_CLUSTERS` clusters of k-means, where the authors take those of Leiden. ``cells``
        turns into ``clusters`` where the cells do not fit in memory, and the run says so (``scaled``).
    num_epochs
        Steps of Adam (package default, 1000; preset ``cpu``, 300: predictions hardly change after 200).
    learning_rate
        Of Adam (package default, 0.1).
    density_prior
        ``rna_count_based`` (package default): the mass of a spot is its share of the visible counts.
        ``uniform``: all masses are equal, as advised at single-cell resolution. The same for every dataset.

    Deviations
    ----------
    - Genes keep the order of the task; the package orders them by a set, which changes between processes.
    - Genes get other names inside: the package lower-cases names, so that Actb and ACTB would be the same.
    - The seed is ``ctx.seed + 1``, because 0 means no seed in the package.
    - Visible genes that are constant on one side are left out, also from the depth.
    """

    mode: Literal["cells", "clusters"] = "cells"
    num_epochs: int = 1000
    learning_rate: float = 0.1
    density_prior: Literal["rna_count_based", "uniform"] = "rna_count_based"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"cpu": {"num_epochs": 300}, "paper": {"num_epochs": 1000}}

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Sums of mapped cells on the scale of ``X``, (n_spots, n_targets)."""
        import numpy as np

        require_package("tangram", module="tangram", package="tangram-sc", extra="tangram")
        counts = task.units == "counts" and "counts" in task.reference.layers
        layer = "counts" if counts else None
        genes = task.varying_genes()
        cells, spots = dense(task.reference, genes, layer), dense(task.spatial, genes, layer)

        members = self._members(task, ctx.seed)  # (n_mapped, n_cells)
        mapping = self.map_cells(cells, spots, ctx, members)  # (n_mapped, n_spots)
        depth = mapping.T @ (members @ cells.sum(axis=1))  # (n_spots,)
        scale = np.median(spots.sum(axis=1)) / depth.mean()
        values = scale * (mapping.T @ (members @ dense(task.reference, task.targets, layer)))
        return np.log1p(values) if counts else values

    def _members(self, task: Task, seed: int) -> csr_matrix:
        """The cells that are mapped together, (n_mapped, n_cells) of 0 and 1."""
        import numpy as np
        from scipy.sparse import csr_matrix, identity

        from stbench.toolbox.groups import cell_groups

        if self.mode == "cells":
            return identity(task.reference.n_obs, format="csr")
        names, types = cell_groups(task, N_CLUSTERS, seed)
        n_cells = len(types)
        return csr_matrix((np.ones(n_cells), (types, np.arange(n_cells))), shape=(len(names), n_cells))

    def map_cells(
        self, cells: np.ndarray, spots: np.ndarray, ctx: Context, members: csr_matrix
    ) -> np.ndarray:
        """Distribution over the spots of every row of ``members``, (n_mapped, n_spots)."""
        import numpy as np

        from stbench.toolbox.sandbox import bare_table, no_traces

        with no_traces(ctx.device):
            import tangram
            from torch.optim.optimizer import register_optimizer_step_post_hook

            names = [f"gene{i}" for i in range(cells.shape[1])]
            reference, space = bare_table(cells, names), bare_table(spots, names)
            if self.mode == "clusters":
                reference.obs["cluster"] = np.asarray(members.argmax(axis=0)).ravel()
            tangram.pp_adatas(reference, space, genes=names, gene_to_lowercase=False)
            steps = count(1)  # the package has no callback, but every step of a torch optimiser calls a hook
            with register_optimizer_step_post_hook(lambda *_: ctx.progress(next(steps), self.num_epochs)):
                mapping = tangram.map_cells_to_space(
                    reference,
                    space,
                    cv_train_genes=names,  # in this order
                    mode=self.mode,
                    cluster_label="cluster" if self.mode == "clusters" else None,
                    device=ctx.device,
                    learning_rate=self.learning_rate,
                    num_epochs=self.num_epochs,
                    density_prior=self.density_prior,
                    random_state=ctx.seed + 1,
                    verbose=False,
                )
        if self.mode == "clusters":  # the package orders clusters by size
            return mapping.X[np.argsort(mapping.obs["cluster"].to_numpy())]
        return mapping.X

    def within(self, shape: Shape, memory: int) -> Tangram:
        """The mode ``clusters``."""
        return replace(self, mode="clusters")

    def memory_bytes(self, shape: Shape) -> int:
        """Seven matrices n_mapped x n_spots, the float64 draw of the start, and the tables of genes."""
        mapped = shape.cells if self.mode == "cells" else min(shape.cells, MANY_TYPES)
        # float32: W, its gradient, the two moments of Adam, M, its gradient and a product
        return (7 * 4 + 8) * mapped * shape.spots + 4 * 8 * (shape.cells + shape.spots) * shape.visible
