"""CellMapper: Gaussian weights of the nearest cells in a canonical correlation space."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.errors import Unsupported, require_package
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np

BLOCK_BYTES = 1 << 27  # twice the distances of a block


@register(
    "cellmapper",
    family="alignment",
    paper="Lange 2025 (package)",
    doi="10.5281/zenodo.15683594",
    version="1",
    packages=("cellmapper",),
)
@dataclass(frozen=True)
class CellMapper(Method):
    """CellMapper (M. Lange, 2025, no paper), by the class of its package cellmapper 0.2.5 (MIT licence).

    1. Cells and spots get coordinates from the singular vectors of the products of their visible genes, each
       centred on its own mean ("fast CCA", after Seurat), scaled to length 1.
    2. The weight of one of the ``n_neighbors`` nearest cells of a spot is exp(-d^2 / (2 s^2)); s is the mean
       distance of all neighbours. The weights of a spot sum to 1.
    3. The value at a spot is the weighted mean of the reference ``X``.

    Parameters
    ----------
    n_neighbors
        Nearest cells (package, 30), at most all.
    n_components
        Singular vectors (package, 50), at most one less than visible genes (centring takes a dimension),
        cells or spots (the solver cannot find all).

    Deviations
    ----------
    - The authors advise a joint representation from another method; this is the package without one.
    - With fewer than 50 visible genes the package keeps a vector of rounding errors.
    - Cells and spots whose visible genes are all equal have no direction: such cells are left out, and such
      spots are predicted as 0. The package fails on them.
    """

    n_neighbors: int = 30
    n_components: int = 50

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Weighted means of cells, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np
        from sklearn import config_context

        from stbench.toolbox.neighbours import WORKING_MB
        from stbench.toolbox.sandbox import bare_table, no_traces

        require_package("cellmapper", "cellmapper", "cellmapper", "cellmapper")
        genes = sorted(task.visible)
        cells, spots = dense(task.reference, genes), dense(task.spatial, genes)
        known, seen = (np.ptp(side, axis=1) > 0 for side in (cells, spots))
        n_cells, n_spots = int(known.sum()), int(seen.sum())
        if min(n_cells, n_spots) < 2:
            raise Unsupported("needs two cells and two spots whose visible genes are not all equal")

        tables = bare_table(spots[seen], genes), bare_table(cells[known], genes)
        for prefix, table in zip(("spot", "cell"), tables, strict=True):
            table.obs_names = prefix + table.obs_names  # the package joins the tables
        silent = redirect_stdout(io.StringIO())  # it logs to the console
        with no_traces(ctx.device), silent, config_context(working_memory=WORKING_MB):
            from cellmapper import CellMapper as Package

            mapper = Package(*tables)
            mapper.compute_neighbors(
                n_neighbors=min(self.n_neighbors, n_cells),
                n_comps=min(self.n_components, len(genes) - 1, n_cells - 1, n_spots - 1),
                only_yx=True,  # the neighbours within each side have no part in the weights
                fallback_kwargs={"random_state": ctx.seed},
            )
            mapper.compute_mapping_matrix()
        weights = mapper.mapping_operator.mapping_matrix  # (n_seen_spots, n_known_cells)
        values = np.zeros((len(spots), len(task.targets)))
        values[seen] = weights @ dense(task.reference, task.targets)[known]
        return values

    def memory_bytes(self, shape: Shape) -> int:
        """Four copies of the tables, the vectors, the neighbours, and the blocks of the search."""
        rows = shape.cells + shape.spots
        tables = rows * (4 * shape.visible + 3 * self.n_components) + 2 * shape.cells * shape.targets
        neighbours = 6 * shape.spots * self.n_neighbors
        return 8 * (tables + neighbours + 2 * shape.spots * shape.targets) + BLOCK_BYTES
