"""Raw tables as a loader gives them, from AnnData with values, coordinates and labels under any name."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from stbench.errors import StbenchError, unknown_name

RAW = "raw"


def raw_tables(
    adata_sp: AnnData,
    adata_sc: AnnData,
    layer: str | None = None,
    spatial_key: str | None = None,
    cell_type_key: str | None = None,
) -> tuple[AnnData, AnnData]:
    """Reference (cells x genes) and spatial table (spots x genes) as a loader gives them, as copies.

    Parameters
    ----------
    adata_sp, adata_sc
        Spots x measured genes, and cells x genes of the reference. They are not changed.
    layer
        The layer of both that holds the raw values, or ``raw`` for ``.raw``. Default: ``X``.
    spatial_key
        The key of ``adata_sp.obsm`` with the coordinates. Default: ``spatial`` where it exists.
    cell_type_key
        The column of ``adata_sc.obs`` with the labels. Default: ``cell_type`` where it exists.

    Raises
    ------
    StbenchError
        Where a layer, key or column that was given does not exist; the message lists those that do.
    """
    if spatial_key is not None and spatial_key not in adata_sp.obsm:
        raise unknown_name("key of adata_sp.obsm", spatial_key, adata_sp.obsm)
    labels = cell_types(adata_sc, cell_type_key)
    tables = []
    for name, table, obs in (
        ("adata_sc", adata_sc, labels),
        ("adata_sp", adata_sp, pd.DataFrame(index=adata_sp.obs_names)),
    ):
        values = table if layer is None else with_layer(table, layer, name)
        tables.append(AnnData(values.X.copy(), obs=obs, var=pd.DataFrame(index=values.var_names)))
    coordinates = adata_sp.obsm.get(spatial_key or "spatial")
    if coordinates is not None:
        tables[1].obsm["spatial"] = np.array(coordinates)
    return tables[0], tables[1]


def with_layer(table: AnnData, layer: str, what: str) -> AnnData:
    """The table with the values of ``layer`` in ``X``; ``what`` names the table in the error."""
    if layer == RAW and table.raw is not None:
        return table.raw.to_adata()
    if layer not in table.layers:
        known = [*table.layers, *([RAW] if table.raw is not None else [])]
        raise StbenchError(f"{what}: {unknown_name('layer', layer, known)}")
    return AnnData(table.layers[layer], obs=table.obs, var=table.var, obsm=dict(table.obsm))


def cell_types(reference: AnnData, column: str | None) -> pd.DataFrame:
    """``cell_type`` from the column asked for, or the one of that name; no column where there is none."""
    if column is not None and column not in reference.obs:
        raise unknown_name("column of the reference's obs", column, reference.obs.columns)
    source = column or ("cell_type" if "cell_type" in reference.obs else None)
    labels = {} if source is None else {"cell_type": pd.Categorical(reference.obs[source].astype(str))}
    return pd.DataFrame(labels, index=reference.obs_names)
