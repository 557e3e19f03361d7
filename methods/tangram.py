"""Tangram: cells mapped on spots by gradient descent, through the package tangram-sc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, Unsupported, dense, register

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

MANY_TYPES = 500


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

    Every cell gets a distribution over the spots, M = softmax(W), such that the summed cells resemble the
    measured genes (cosine per gene) and the mass per spot follows a density. A target at a spot is the sum of
    the mapped cells, ``p = M' counts``. Counts enter as they are, which is the authors' advice; intensities
    as ``X`` on both sides.

    The sums are in counts of the reference times cells per spot. They are put on the scale of ``X`` with one
    factor for the whole dataset, N / mean over spots of the predicted depth, N being the median measured
    depth: log(N p / mean depth + 1). Differences in depth between spots, which the density drives, stay in.

    Parameters
    ----------
    mode
        ``cells`` (package default) maps every cell; ``clusters`` maps the summed cells of each type in
        ``obs["cell_type"]``, the authors' mode for references that are too large: another estimator, which
        the name of the run shows.
    num_epochs
        Steps of Adam (package default, 1000; preset ``cpu``, 300: the predictions hardly move after 200).
    learning_rate
        Of Adam (package default, 0.1).
    density_prior
        ``rna_count_based`` (package default) makes the mass of a spot its share of the visible counts;
        ``uniform`` makes all alike. The same for every dataset: the advice to use ``uniform`` for single-cell
        resolution needs to know the technology.

    Deviations
    ----------
    - Genes keep the order of the task; the package orders them by a set, which changes between processes.
    - Genes get neutral names inside: the package lower-cases names, so that Actb and ACTB would collide.
    - The seed is ``ctx.seed + 1``, because the package takes 0 for no seed.
    - Visible genes that are constant on one side are left out; the depth is that of the remaining visible
      genes.
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

        members = self._members(task)  # (n_mapped, n_cells)
        mapping = self.map_cells(cells, spots, ctx, members)  # (n_mapped, n_spots)
        depth = mapping.T @ (members @ cells.sum(axis=1))  # (n_spots,)
        scale = np.median(spots.sum(axis=1)) / depth.mean()
        values = scale * (mapping.T @ (members @ dense(task.reference, task.targets, layer)))
        return np.log1p(values) if counts else values

    def _members(self, task: Task) -> csr_matrix:
        """Which cells are mapped as one, (n_mapped, n_cells) of 0 and 1."""
        import numpy as np
        from scipy.sparse import csr_matrix, identity

        if self.mode == "cells":
            return identity(task.reference.n_obs, format="csr")
        if "cell_type" not in task.reference.obs or task.reference.obs["cell_type"].isna().any():
            raise Unsupported("mode clusters needs obs['cell_type'] of every cell of the reference")
        names, types = np.unique(task.reference.obs["cell_type"].astype(str), return_inverse=True)
        cells = np.arange(len(types))
        return csr_matrix((np.ones(len(types)), (types, cells)), shape=(len(names), len(types)))

    def map_cells(
        self, cells: np.ndarray, spots: np.ndarray, ctx: Context, members: csr_matrix
    ) -> np.ndarray:
        """Distribution over the spots of every row of ``members``, (n_mapped, n_spots).

        ``cells`` and ``spots`` are tables of the same genes.
        """
        import numpy as np

        from stbench.toolbox.sandbox import no_traces

        with no_traces(ctx.device):
            import tangram

            names = [f"gene{i}" for i in range(cells.shape[1])]
            reference, space = _table(cells, names), _table(spots, names)
            if self.mode == "clusters":
                reference.obs["cluster"] = np.asarray(members.argmax(axis=0)).ravel()
            tangram.pp_adatas(reference, space, genes=names, gene_to_lowercase=False)
            with _steps_reported(ctx, self.num_epochs):
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
        if self.mode == "clusters":  # the package orders them by size
            return mapping.X[np.argsort(mapping.obs["cluster"].to_numpy())]
        return mapping.X

    def memory_bytes(self, shape: Shape) -> int:
        """Seven float32 matrices cells x spots, the float64 draw of the start, and the tables of genes.

        The seven are W, its gradient, the two moments of Adam, M, its gradient and a product. In ``clusters``
        mode the cells are at most some 500 types.
        """
        mapped = shape.cells if self.mode == "cells" else min(shape.cells, MANY_TYPES)
        return (7 * 4 + 8) * mapped * shape.spots + 4 * 8 * (shape.cells + shape.spots) * shape.visible


def _table(values: np.ndarray, names: list[str]) -> Any:
    """AnnData in CSR, the container that the package can read on both sides."""
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    rows = pd.DataFrame(index=[str(i) for i in range(len(values))])
    return AnnData(csr_matrix(values, dtype="float32"), obs=rows, var=pd.DataFrame(index=names))


@contextmanager
def _steps_reported(ctx: Context, n_steps: int) -> Iterator[None]:
    """Report every step of any torch optimiser as progress; the package itself has no callback."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    done = 0

    def report(*_: Any) -> None:
        nonlocal done
        done += 1
        ctx.progress(done, n_steps)

    hook = register_optimizer_step_post_hook(report)
    try:
        yield
    finally:
        hook.remove()
