"""ImputeFISH: ridge regression on a joint SVD of cells and spots with the means of their neighbours."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from stbench.errors import Unsupported, require_package
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np

MIN_SPOTS = 10  # the package averages the neighbourhoods of the 10 nearest spots of every cell


@register(
    "imputefish",
    family="alignment",
    paper="Swain 2025 (package)",
    version="1",
    packages=("ImputeFISH",),
    url="https://github.com/swainasish/ImputeFISH",
)
@dataclass(frozen=True)
class ImputeFISH(Method):
    """ImputeFISH (A. K. Swain, 2025, no paper), by ``GeneEnhancement`` of its package 0.0.7.

    The licence is MIT by the metadata of the package; its licence file is empty.

    1. Visible genes are divided by their standard deviation, in each dataset.
    2. A spot also gets the mean of its 5 nearest spots in the tissue, itself included. A cell gets the mean
       of these means over the 10 spots that are nearest to it in expression.
    3. A truncated SVD (``n_components``) of as many cells as spots, drawn with replacement.
    4. Ridge regression from the components of the cells to the targets, with one penalty for all targets,
       chosen from 1 to 100,000 by leave-one-out over the cells. Applied to the spots, and clipped at 0.

    Parameters
    ----------
    n_components
        Of the SVD (package, 50), at most twice the number of visible genes and the number of rows drawn.

    Deviations
    ----------
    - Input is ``X`` on both sides; the package leaves the normalisation to the user.
    - The package has a fixed number of components, and fails with fewer columns; it also fails with
      scikit-learn 1.9, which refuses the table of its SVD because a name is there twice. The SVD gets arrays.
    - It takes two coordinates: of three, the first two are used, and the log says so.
    - The selection of a reference among several is not used, because a task has one.
    """

    n_components: int = 50

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Regressed values, in the unit of the reference ``X``, (n_spots, n_targets)."""
        import numpy as np
        import pandas as pd

        from stbench.toolbox.sandbox import no_traces

        require_package("imputefish", "ImputeFISH", "ImputeFISH", "imputefish")
        places = task.coordinates()
        if len(places) < MIN_SPOTS:
            raise Unsupported(f"needs at least {MIN_SPOTS} spots; this dataset has {len(places)}")
        if places.shape[1] > 2:
            ctx.log.warning(
                "the package takes two coordinates; the first two of %d are used", places.shape[1]
            )
        genes, everything = task.visible, [*task.visible, *task.targets]
        cells = pd.DataFrame(dense(task.reference, everything), columns=everything)
        spots = pd.DataFrame(dense(task.spatial, genes), columns=genes)

        with no_traces(ctx.device), redirect_stdout(io.StringIO()):  # it prints its progress
            import ImputeFISH as package

            before = package.dict_learn
            rows = 2 * min(len(cells), len(spots))
            package.dict_learn = _svd(min(self.n_components, 2 * len(genes), rows))
            np.random.seed(ctx.seed)  # noqa: NPY002  # the package draws from the global generator
            try:
                predicted = package.GeneEnhancement(cells, spots, task.targets, *places.T[:2])
            finally:
                package.dict_learn = before
        return predicted.to_numpy()

    def memory_bytes(self, shape: Shape) -> int:
        """Eight tables of twice the visible genes, and four of the targets, of cells and spots."""
        rows = shape.cells + shape.spots
        return 8 * rows * (8 * 2 * shape.visible + 4 * shape.targets)


def _svd(n_components: int) -> SimpleNamespace:
    """The truncated SVD of the package for arrays; scikit-learn refuses its tables, where a name is twice."""
    import numpy as np
    from sklearn.decomposition import TruncatedSVD

    svd = TruncatedSVD(n_components)
    return SimpleNamespace(
        fit=lambda table: svd.fit(np.asarray(table)), transform=lambda table: svd.transform(np.asarray(table))
    )
