"""The prediction of a whole tissue from the coupling of a sample of its spots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from stbench.methods import Task, dense
from stbench.toolbox.tiles import row_blocks
from stbench.toolbox.transport import column_weights

from .coupling import linear_cost, mismatch


def predict_elsewhere(
    task: Task,
    sample: Task,
    coupled: tuple[Any, Any],
    structure: Sequence[Any],
    setting: tuple[float, float],
) -> np.ndarray:
    """Weighted means of the cells at every spot of ``task``, (n_spots, n_targets).

    ``coupled`` are the coupling and the potentials of the cells, found on the ``sample`` of spots at
    ``setting`` (alpha, eps). A spot takes its linear cost from its own genes and its structural cost from the
    nearest spot of the sample. Its weights are the column of the plan with the potentials of the sample.
    """
    from ot.backend import to_numpy

    (alpha, eps), (coupling, potentials) = setting, coupled
    cells, values = (dense(task.reference, genes) for genes in (task.visible, task.targets))
    known = dense(sample.spatial, sample.visible)
    unit = known.max() or 1.0, 1.0
    unit = unit[0], linear_cost(cells, known, unit).max() or 1.0
    if alpha < 1:
        structural = (1 - alpha) * to_numpy(mismatch(structure, coupling))
        search = NearestNeighbors(n_neighbors=1).fit(sample.coordinates())
        nearest = search.kneighbors(task.coordinates(), return_distance=False)[:, 0]
    predicted = []
    for block in row_blocks(task.spatial.n_obs):
        cost = alpha * linear_cost(cells, dense(task.spatial[block], task.visible), unit)
        if alpha < 1:
            cost += structural[:, nearest[block]]
        predicted.append(column_weights(to_numpy(potentials), cost, eps).T @ values)
    return np.concatenate(predicted)
