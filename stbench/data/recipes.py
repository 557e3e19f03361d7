"""What the recipes of ``datasets/`` share: a table in the form of a pair, and the objects of an R file.

A recipe is a loader of raw files. It gets a folder that holds them under the names of the card.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from stbench.errors import StbenchError, first_line

if TYPE_CHECKING:
    from anndata import AnnData


def table(
    values: Any, rows: Any, genes: Any, *, obs: dict[str, Any] | None = None, spatial: Any = None
) -> AnnData:
    """An AnnData (rows x genes) with ``values`` as float32 CSR in ``X``, names as text, ``obs`` columns by
    name, and ``obsm["spatial"]`` as float32 where coordinates (rows x 2) are given."""
    from anndata import AnnData

    made = AnnData(
        sparse.csr_matrix(values, dtype=np.float32),
        obs=pd.DataFrame(obs or {}, index=pd.Index(np.asarray(rows, dtype=str))),
        var=pd.DataFrame(index=pd.Index(np.asarray(genes, dtype=str))),
    )
    made.X.sort_indices()
    if spatial is not None:
        made.obsm["spatial"] = np.asarray(spatial, dtype=np.float32)
    return made


def labels(values: Any) -> pd.Categorical:
    """Labels of cells or spots, one for each row, with the categories in alphabetical order."""
    return pd.Categorical(np.asarray(values, dtype=str))


def read_r(file: Path) -> dict[str, Any]:
    """The objects in an R file (``.rda``, ``.RData``) by name; S4 objects have their slots as attributes.

    Raises `StbenchError` where the file cannot be read.
    """
    import rdata

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has no constructors for the classes of Bioconductor
            return {str(name): value for name, value in rdata.read_rda(file).items()}
    except Exception as error:  # it raises many kinds for a damaged file
        raise StbenchError(f"File '{file}' cannot be read as R data ({first_line(error)}).") from error


def r_sparse(matrix: Any) -> sparse.csr_matrix:
    """The transpose of a ``dgCMatrix`` (genes x cells): cells x genes, without a copy."""
    n_genes, n_cells = (int(size) for size in matrix.Dim)
    return sparse.csr_matrix((matrix.x, matrix.i, matrix.p), shape=(n_cells, n_genes))


def h5ad_shape(file: Path) -> tuple[int, int]:
    """Rows and columns of the h5ad in ``file``, without reading it; `StbenchError` where it has none."""
    import h5py

    try:
        with h5py.File(file) as content:
            values = content["X"]
            rows, columns = values.attrs["shape"] if isinstance(values, h5py.Group) else values.shape
    except (OSError, KeyError, ValueError) as error:
        raise StbenchError(f"File '{file}' cannot be read as h5ad ({first_line(error)}).") from error
    return int(rows), int(columns)
