"""Groups of the cells of a reference, for methods that work on types instead of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stbench.tables import dense
from stbench.toolbox.components import leading_components
from stbench.toolbox.scale import zscore

if TYPE_CHECKING:
    from stbench.task import Task

N_COMPONENTS = 30  # of the visible genes, for clusters


def cell_groups(task: Task, n_clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Names of the groups, and the group of every cell as a number, (n_cells,).

    The groups are those of ``obs["cell_type"]`` where every cell has a label. Otherwise they are at most
    ``n_clusters`` clusters of k-means in the leading components of the visible genes.
    """
    from sklearn.cluster import MiniBatchKMeans

    labels = task.reference.obs.get("cell_type")
    if labels is None or labels.isna().any():
        cells = zscore(dense(task.reference, task.visible))
        _, axes = leading_components(cells.T @ cells, N_COMPONENTS)
        kmeans = MiniBatchKMeans(min(n_clusters, len(cells)), n_init=3, random_state=seed)
        labels = kmeans.fit_predict(cells @ axes)
    return np.unique(labels.astype(str), return_inverse=True)
