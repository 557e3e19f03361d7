"""Genes of the reference that a method sees beside the visible genes and the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stbench.task import Task


def extra_genes(task: Task, n_extra: int) -> list[str]:
    """The ``n_extra`` most variable other genes of the reference, sorted by name."""
    from scipy.sparse import csr_matrix
    from sklearn.utils.sparsefuncs import mean_variance_axis

    names = np.setdiff1d(task.reference.var_names, [*task.visible, *task.targets])
    variance = mean_variance_axis(csr_matrix(task.reference[:, names].X), axis=0)[1]
    return sorted(names[np.argsort(-variance, kind="stable")[:n_extra]])
