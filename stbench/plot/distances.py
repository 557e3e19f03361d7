"""Gene-gene distances of truth and prediction in one order (the CausalGeD paper's Fig. 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def gene_distances(values: pd.DataFrame) -> pd.DataFrame:
    """Genes x genes: 1 - Pearson correlation over the spots; 1 where a gene does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.corrcoef(values.to_numpy(dtype=float), rowvar=False)
    distance = 1 - np.nan_to_num(np.atleast_2d(correlation))
    np.fill_diagonal(distance, 0)
    return pd.DataFrame(distance, index=values.columns, columns=values.columns)


def clustering_order(distance: pd.DataFrame) -> list[str]:
    """The genes in the order of the leaves of average linkage: similar genes are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(distance) < 3:
        return list(distance.index)
    condensed = squareform(distance.to_numpy(), checks=False)
    leaves = leaves_list(linkage(condensed, "average", optimal_ordering=True))
    return list(distance.index[leaves])


def distance_heatmap(distance: pd.DataFrame, order: list[str], ax: Axes, *, title: str = "") -> Axes:
    """The axes with the distances, from 0 to 2, as an image of the genes in ``order``."""
    ax.imshow(distance.loc[order, order], vmin=0, vmax=2, cmap="cividis", interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    return ax
