"""A small simulated pair whose targets can be predicted, as a `Task` with its truth."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from stbench.tables import dense
from stbench.task import Task
from stbench.toolbox.scale import log_normalise


@pytest.fixture
def make_task():
    """Factory of (task, truth of the targets): five cell types, spots that mix them smoothly in space.

    ``edit(cells, spots, genes)`` may change the count matrices (arrays, all genes) before anything is derived
    from them; ``container`` makes the matrices that the method gets.
    """

    def make(
        n_cells=90,
        n_spots=70,
        n_visible=24,
        n_targets=4,
        *,
        seed=0,
        container=sparse.csr_matrix,
        edit=None,
        order=None,
    ):
        rng = np.random.default_rng(seed)
        n_genes, n_types = n_visible + n_targets, 5
        profiles = rng.gamma(0.5, 4.0, (n_types, n_genes))
        types = rng.integers(n_types, size=n_cells)
        coordinates = rng.random((n_spots, 2))
        near = np.exp(-((coordinates[:, None] - rng.random((n_types, 2))) ** 2).sum(-1) / 0.05)
        share = near / near.sum(axis=1, keepdims=True)
        cells = rng.poisson(profiles[types] * rng.gamma(5, 0.2, (n_cells, 1))).astype(float)
        spots = rng.poisson(share @ profiles * rng.gamma(5, 0.4, (n_spots, 1))).astype(float)
        genes = ["Actb", "ACTB", *(f"Gene{i}" for i in range(n_genes - 2))]
        if edit is not None:
            edit(cells, spots, genes)

        visible, targets = genes[:n_visible], genes[n_visible:]
        reference = table(cells, genes, container)
        space = table(spots[:, :n_visible], visible, container)
        space.obsm["spatial"] = coordinates
        space.var["split"] = np.where(np.arange(n_visible) % 4 == 3, "val", "train")
        if order is not None:  # the same data with genes and targets in another order
            reference = reference[:, order(genes)].copy()
            space = space[:, order(visible)].copy()
            targets = order(targets)
        truth = dense(table(spots, genes, container), targets)
        return Task(reference, space, targets), truth

    return make


def table(counts, genes, container):
    """AnnData with ``X`` normalised over ``genes`` and the counts as a layer, both in ``container``."""
    values = log_normalise(counts)
    adata = AnnData(
        container(values.toarray()),
        obs=pd.DataFrame(index=[f"o{i}" for i in range(len(counts))]),
        var=pd.DataFrame(index=genes),
    )
    adata.layers["counts"] = container(counts)
    return adata
