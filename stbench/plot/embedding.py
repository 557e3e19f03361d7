"""UMAP of predicted and true expression in one plane (the CausalGeD paper's Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stbench.plot.style import GREY
from stbench.toolbox.scale import zscore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRUTH = "truth"


def embed(
    truth: pd.DataFrame, predictions: Mapping[str, pd.DataFrame], *, max_spots: int = 150, seed: int = 0
) -> pd.DataFrame:
    """One row per spot of the truth and of each prediction: ``source``, ``x``, ``y``.

    All are embedded together, so sources that agree overlap. Genes are z-scored within each source, as for
    the scores. The tables are spots x genes; of more than ``max_spots`` spots, a random draw is used.
    """
    import scanpy as sc
    from anndata import AnnData
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(truth))[:max_spots])
    sources = {TRUTH: truth, **predictions}
    stacked = AnnData(np.vstack([zscore(table.to_numpy(dtype=float)[rows]) for table in sources.values()]))
    with threadpool_limits(1, user_api="openmp"):  # numba changes the number of threads for good
        sc.pp.neighbors(stacked, use_rep="X", random_state=seed)
        sc.tl.umap(stacked, maxiter=200, random_state=seed)
    places = pd.DataFrame(stacked.obsm["X_umap"], columns=["x", "y"])
    return places.assign(source=np.repeat(list(sources), len(rows)))


def embedding_plot(table: pd.DataFrame, source: str, ax: Axes, *, colour: str) -> Axes:
    """The axes with the spots of ``source`` in ``colour`` over those of the truth in grey.

    ``table`` is the result of `embed`.
    """
    for name, paint, size in ((TRUTH, GREY, 5), (source, colour, 4)):
        dots = table[table["source"] == name]
        ax.scatter(
            dots["x"], dots["y"], s=size, c=paint, linewidths=0, alpha=0.7, label=name, rasterized=True
        )
    ax.set(xticks=[], yticks=[], title=source)
    return ax
