"""Joins predicted genes onto the spatial table of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stbench.errors import StbenchError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

BOUNDS = ("lower", "upper")
ABOUT = "stbench"  # the key of uns in what predict returns


def join(adata: AnnData, imputed: AnnData, *, layer: str | None = None) -> AnnData:
    """The spots of ``adata`` with their measured genes and, behind them, those of ``imputed``.

    Parameters
    ----------
    adata
        The spatial table, spots x measured genes, that `stbench.predict` got.
    imputed
        What it returned, spots x predicted genes.
    layer
        The layer of ``adata`` with the raw values, as for `stbench.predict`; by default they are in ``X``.

    Returns
    -------
    AnnData
        ``X`` is on the benchmark's scale for all genes. ``var["imputed"]`` marks the predicted ones, whose
        expected accuracy is in the other columns of `stbench.predict`. ``layers["lower"]`` and ``["upper"]``
        have their intervals. Everything of ``adata`` but ``varm`` and ``varp``, which belong to its own genes
        alone, is kept. A value that one of the two tables does not have is missing: NaN in a layer.

    Raises
    ------
    StbenchError
        Where ``imputed`` is not of `stbench.predict`, has other spots, has a measured gene, or where the raw
        values of ``adata`` are not what the prediction was made from.

    Examples
    --------
    >>> imputed = stbench.predict(adata_sp, adata_sc, method="ridge_genes", splits=2)
    >>> joined = stbench.join(adata_sp, imputed)
    """
    import numpy as np
    from anndata import AnnData
    from scipy.sparse import issparse

    imputed = imputed.to_memory() if imputed.isbacked else imputed
    if ABOUT not in imputed.uns:
        raise StbenchError("imputed is not a result of stbench.predict: it has no uns['stbench'].")
    absent = adata.obs_names[~adata.obs_names.isin(imputed.obs_names)]
    if len(absent):
        raise StbenchError(
            f"{len(absent)} of {adata.n_obs} spots of adata are not in imputed (first: '{absent[0]}'). "
            "Give adata[imputed.obs_names], or predict without a limit."
        )
    both = adata.var_names[adata.var_names.isin(imputed.var_names)]
    if len(both):
        raise StbenchError(f"Gene '{both[0]}' is in both tables. Leave it out of one of them.")
    imputed = imputed[adata.obs_names]
    measured = _scaled(adata, layer, str(imputed.uns[ABOUT]["units"]))
    genes = adata.var_names.append(imputed.var_names)
    joined = AnnData(
        np.hstack([measured.toarray(), imputed.X]),
        obs=adata.obs.copy(),
        var=_described(adata.var, imputed.var).set_axis(genes),
        obsm=dict(adata.obsm),
        obsp=dict(adata.obsp),
        uns=dict(adata.uns) | {ABOUT: imputed.uns[ABOUT]},
    )
    before, behind = (np.full((adata.n_obs, n), np.nan, "float32") for n in (adata.n_vars, imputed.n_vars))
    for name, values in adata.layers.items():
        joined.layers[name] = np.hstack([values.toarray() if issparse(values) else values, behind])
    for name in BOUNDS:
        joined.layers[name] = np.hstack([before, imputed.layers[name]])
    if adata.raw is not None:
        joined.raw = adata.raw.to_adata()
    return joined


def _scaled(adata: AnnData, layer: str | None, units: str) -> sparse.csr_matrix:
    """The measured genes on the benchmark's scale, spots x genes."""
    import numpy as np
    from scipy import sparse

    from stbench.data.tables import whole_numbers, with_layer
    from stbench.toolbox.scale import log_normalise

    values = sparse.csr_matrix((adata if layer is None else with_layer(adata, layer, "adata")).X)
    raw = values.nnz == 0 or (values.data.min() >= 0 and (units != "counts" or whole_numbers(values)))
    if not raw:
        where = "X" if layer is None else f"layers['{layer}']"
        raise StbenchError(
            f"The prediction was made from {units}, but adata.{where} has others. "
            "Give layer=, the layer with the raw values."
        )
    return log_normalise(values) if units == "counts" else values.log1p().astype(np.float32)


def _described(measured: pd.DataFrame, imputed: pd.DataFrame) -> pd.DataFrame:
    """The columns of both tables of genes; truth values may then be missing."""
    import numpy as np
    import pandas as pd

    tables = measured, imputed
    parts = [table.astype(dict.fromkeys(table.select_dtypes(bool), "boolean")) for table in tables]
    marks = np.repeat([False, True], [len(measured), len(imputed)])
    return pd.concat(parts).assign(imputed=marks)
