"""Raw tables for the preparation, from AnnData with values, coordinates and labels under any name."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.errors import StbenchError, unknown_name

RAW = "raw"


def raw_tables(
    adata_sp: AnnData,
    adata_sc: AnnData,
    layer: str | None = None,
    spatial_key: str | None = None,
    cell_type_key: str | None = None,
) -> tuple[AnnData, AnnData]:
    """Copies of reference (cells x genes) and spatial table (spots x genes), as a loader returns them.

    ``layer`` of both tables holds the raw values (``raw`` is ``.raw``; default: ``X``). ``spatial_key`` of
    ``adata_sp.obsm`` holds the coordinates (default: ``spatial``, if any), ``cell_type_key`` of
    ``adata_sc.obs`` the labels (default: ``cell_type``, if any).

    Raises `StbenchError` for a name that does not exist; the message lists those that do.
    """
    if spatial_key is not None and spatial_key not in adata_sp.obsm:
        raise unknown_name("key of adata_sp.obsm", spatial_key, adata_sp.obsm)
    labels = cell_types(adata_sc, cell_type_key)

    def raw(table: AnnData, name: str, obs: pd.DataFrame) -> AnnData:
        values = table if layer is None else with_layer(table, layer, name)
        return AnnData(values.X.copy(), obs=obs, var=pd.DataFrame(index=values.var_names))

    reference = raw(adata_sc, "adata_sc", labels)
    spatial = raw(adata_sp, "adata_sp", pd.DataFrame(index=adata_sp.obs_names))
    coordinates = adata_sp.obsm.get(spatial_key or "spatial")
    if coordinates is not None:
        spatial.obsm["spatial"] = np.array(coordinates)
    return reference, spatial


def whole_numbers(values: object) -> bool:
    """Whether every value is a whole number, as counts are."""
    return bool(np.all(np.mod(sparse.csr_matrix(values).data, 1) == 0))


def with_layer(table: AnnData, layer: str, what: str) -> AnnData:
    """The table with the values of ``layer`` in ``X``; ``what`` names the table in the error."""
    if layer == RAW and table.raw is not None:
        return table.raw.to_adata()
    if layer not in table.layers:
        known = [*table.layers, *([RAW] if table.raw is not None else [])]
        raise StbenchError(f"{what}: {unknown_name('layer', layer, known)}")
    return AnnData(table.layers[layer], obs=table.obs, var=table.var, obsm=dict(table.obsm))


def cell_types(reference: AnnData, column: str | None) -> pd.DataFrame:
    """``cell_type`` from ``column`` of obs (default: the one of that name); without labels no column."""
    if column is not None and column not in reference.obs:
        raise unknown_name("column of the reference's obs", column, reference.obs.columns)
    source = column or "cell_type"
    obs = pd.DataFrame(index=reference.obs_names)
    if source in reference.obs:
        obs["cell_type"] = pd.Categorical(reference.obs[source].astype(str))
    return obs
