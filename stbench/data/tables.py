"""Raw tables for the preparation, from AnnData with values, coordinates and labels under any name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.decisions import Decisions
from stbench.data.places import places_of
from stbench.errors import StbenchError, unknown_name

RAW = "raw"
NO_LABEL = ("", "nan", "NaN", "NA", "N/A", "None", "<NA>")
FEW_FRACTIONS = 0.01  # of the values; below it they are mistakes among counts


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
    ``adata_sc.obs`` the labels (default: ``cell_type``, if any). Tables that are backed by a file are read.

    Raises `StbenchError` for a name that does not exist; the message lists those that do.
    """
    if spatial_key is not None and spatial_key not in adata_sp.obsm:
        raise unknown_name("key of adata_sp.obsm", spatial_key, adata_sp.obsm)
    adata_sp, adata_sc = (table.to_memory() if table.isbacked else table for table in (adata_sp, adata_sc))
    labels = cell_types(adata_sc, cell_type_key)

    def raw(table: AnnData, name: str, obs: pd.DataFrame) -> AnnData:
        if layer is None and table.X is None:
            known = ", ".join(layers_of(table)) or "none"
            raise StbenchError(
                f"{name} has no X. Give layer=, the layer with the raw values. Known: {known}."
            )
        values = table if layer is None else with_layer(table, layer, name)
        return AnnData(values.X.copy(), obs=obs, var=values.var.copy())

    reference = raw(adata_sc, "adata_sc", labels)
    spatial = raw(adata_sp, "adata_sp", adata_sp.obs.copy())
    places = places_of(adata_sp, spatial_key, Decisions())
    if places is not None:
        spatial.obsm["spatial"] = places.copy()
    return reference, spatial


def whole_numbers(values: Any) -> bool:
    """Whether every value is a whole number, as counts are."""
    return bool(np.all(np.mod(sparse.csr_matrix(values).data, 1) == 0))


def fractions(table: AnnData) -> str:
    """Where the few fractional values among counts are, as a sentence; empty where there are none or many."""
    values = sparse.csr_matrix(table.X)
    wrong = np.flatnonzero(np.mod(values.data, 1) != 0)
    if len(wrong) == 0 or len(wrong) >= FEW_FRACTIONS * values.nnz:
        return ""
    row = int(np.searchsorted(values.indptr, wrong[0], side="right") - 1)
    gene = table.var_names[values.indices[wrong[0]]]
    first = f"{values.data[wrong[0]]:g} of gene '{gene}' in '{table.obs_names[row]}'"
    return f"{len(wrong)} of {values.nnz} values are not whole numbers, among counts (first: {first})"


def layers_of(table: AnnData) -> list[str]:
    """The names under which a table has values besides ``X``."""
    return [*table.layers, *([RAW] if table.raw is not None else [])]


def layer_with_counts(table: AnnData) -> str | None:
    """The first layer of whole numbers, those with a name of counts before ``raw`` and others; None without.

    Layers with negative values are no counts.
    """
    named: list[str] = [
        name for name in table.layers if any(part in name.lower() for part in ("count", "raw", "umi"))
    ]
    for name in dict.fromkeys([*named, *layers_of(table)]):
        values = sparse.csr_matrix(with_layer(table, name, "").X)
        if values.nnz and whole_numbers(values) and values.data.min() >= 0:
            return name
    return None


def with_layer(table: AnnData, layer: str, what: str) -> AnnData:
    """The table with the values of ``layer`` in ``X``; ``what`` names the table in the error."""
    if layer == RAW and table.raw is not None:
        raw = table.raw.to_adata()
        raw.obsm = table.obsm
        return raw
    if layer not in table.layers:
        raise StbenchError(f"{what}: {unknown_name('layer', layer, layers_of(table))}")
    return AnnData(table.layers[layer], obs=table.obs, var=table.var, obsm=dict(table.obsm))


def cell_types(reference: AnnData, column: str | None) -> pd.DataFrame:
    """``cell_type`` from ``column`` of obs (default: the one of that name); without labels no column.

    Cells without a label (`NO_LABEL`) have a missing value.
    """
    if column is not None and column not in reference.obs:
        raise unknown_name("column of the reference's obs", column, reference.obs.columns)
    source = column or "cell_type"
    obs = pd.DataFrame(index=reference.obs_names)
    if source in reference.obs and (found := labels(reference.obs[source])).notna().any():
        obs["cell_type"] = pd.Categorical(found)
    return obs


def labels(values: pd.Series) -> pd.Series:
    """The labels as text, missing where there is none."""
    text = values.astype(object).map(lambda value: value.decode() if isinstance(value, bytes) else str(value))
    return text.where(~(values.isna() | text.isin(NO_LABEL)), None)
