"""A small tissue with planted structure, made in a moment: the data of the contract's checks and of tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse


def planted_pair(
    n_cells: int = 60, n_spots: int = 50, n_genes: int = 24, extra: int = 6, seed: int = 0
) -> tuple[AnnData, AnnData]:
    """Raw counts of a tissue with three smooth programs: reference with ``extra`` more genes, and space."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(0, 0.8, (3, n_genes + extra))
    level = rng.normal(1.5, 0.3, n_genes + extra)
    coordinates = rng.uniform(0, 10, (n_spots, 2)).astype(np.float32)
    programs = np.sin(coordinates @ rng.normal(0, 0.5, (2, 3)))
    genes = [f"Gene{i:02d}" for i in range(n_genes + extra)]
    cells = rng.poisson(np.exp(level + rng.normal(0, 1, (n_cells, 3)) @ loadings)).astype(np.float32)
    spots = rng.poisson(np.exp(level + programs @ loadings))[:, :n_genes].astype(np.float32)
    reference = AnnData(
        sparse.csr_matrix(cells),
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical(rng.choice(["a", "b", "c"], n_cells))},
            index=[f"cell{i}" for i in range(n_cells)],
        ),
        var=pd.DataFrame(index=genes),
    )
    spatial = AnnData(
        sparse.csr_matrix(spots),
        obs=pd.DataFrame(index=[f"spot{i}" for i in range(n_spots)]),
        var=pd.DataFrame(index=genes[:n_genes]),
        obsm={"spatial": coordinates},
    )
    return reference, spatial
