"""Values of genes in a table, from any container."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stbench.errors import StbenchError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData


def dense(adata: AnnData, genes: Iterable[str], layer: str | None = None, dtype: Any = float) -> np.ndarray:
    """The values of ``genes``, in this order, (n_obs, n_genes); only these columns are made dense."""
    import numpy as np
    from scipy.sparse import issparse

    columns = adata.var_names.get_indexer(list(genes))
    if (columns < 0).any():
        missing = [gene for gene, column in zip(genes, columns, strict=True) if column < 0]
        raise StbenchError(f"Gene '{missing[0]}' is not in this table.")
    values = (adata.X if layer is None else adata.layers[layer])[:, columns]
    return np.ascontiguousarray(values.toarray() if issparse(values) else values, dtype=dtype)


def frame(adata: AnnData, genes: Iterable[str], layer: str | None = None) -> pd.DataFrame:
    """The values of ``genes``, in that order, as a table spots (or cells) x genes, see `dense`."""
    import pandas as pd

    genes = list(genes)
    return pd.DataFrame(dense(adata, genes, layer), index=adata.obs_names, columns=genes)


def varies(values: Any) -> np.ndarray:
    """Whether each column varies, (n_genes,); sparse input stays sparse."""
    import numpy as np
    from scipy.sparse import issparse

    if issparse(values):
        columns = values.tocsc()
        return np.asarray((columns.max(axis=0) - columns.min(axis=0)).toarray().ravel() > 0)
    return np.asarray(np.ptp(np.asarray(values), axis=0) > 0)
