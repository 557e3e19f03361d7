"""Any two tables as a pair: raw counts in ``X``, coordinates in ``obsm["spatial"]``, one gene one column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.read import coordinate_columns, is_text, read_coordinates, read_table
from stbench.errors import StbenchError, unknown_name
from stbench.files import whole_folder

RAW = "raw"


@dataclass(frozen=True)
class Sources:
    """What a pair is made of: two tables, a layer of each (``raw``: ``.raw``), coordinates, labels."""

    reference: Path
    spatial: Path
    coordinates: Path | None = None
    reference_layer: str | None = None
    spatial_layer: str | None = None
    cell_type: str | None = None


def convert(sources: Sources, out: Path, say: Callable[[str], None] = lambda text: None) -> None:
    """Write the pair of ``sources`` into the new folder ``out``; ``say`` hears every choice that was made."""
    if out.exists():
        raise StbenchError(f"'{out}' exists. Choose another folder with --out, or remove it.")
    reference, spatial = _oriented(sources, read_table(sources.reference), read_table(sources.spatial), say)
    reference = _counts(reference, sources.reference_layer, "reference", say)
    spatial = _counts(spatial, sources.spatial_layer, "spatial table", say)
    labels = _labels(reference, sources.cell_type)
    places = _places(spatial, sources.coordinates, say)
    with whole_folder(out) as part:
        _plain(reference, "reference", say, obs=labels).write_h5ad(part / "sc.h5ad")
        plain = _plain(spatial, "spatial table", say)
        if places is not None:
            plain.obsm["spatial"] = places
        plain.write_h5ad(part / "st.h5ad")
    shared = len(set(reference.var_names) & set(spatial.var_names))
    say(
        f"{out}: {reference.n_obs} cells x {reference.n_vars} genes, {spatial.n_obs} spots x {spatial.n_vars}"
        f" genes, {shared} shared"
    )


def _oriented(
    sources: Sources, reference: AnnData, spatial: AnnData, say: Callable[[str], None]
) -> tuple[AnnData, AnnData]:
    """Both with genes as columns: of the ways a text table can lie, those that share the most names."""
    turns = [(False, True) if is_text(path) else (False,) for path in (sources.reference, sources.spatial)]
    names = [(set(table.var_names), set(table.obs_names)) for table in (reference, spatial)]
    ways = [(len(names[0][a] & names[1][b]), a, b) for a in turns[0] for b in turns[1]]
    shared, turn_reference, turn_spatial = max(ways, key=lambda way: way[0])
    if shared == 0:
        raise StbenchError(
            f"'{sources.reference}' and '{sources.spatial}' share no gene name. "
            f"They have, for example, '{reference.var_names[0]}' and '{spatial.var_names[0]}'."
        )
    for turned, path in ((turn_reference, sources.reference), (turn_spatial, sources.spatial)):
        if turned:
            say(f"{path.name}: genes are in rows")
    return (reference.T if turn_reference else reference), (spatial.T if turn_spatial else spatial)


def _counts(table: AnnData, layer: str | None, what: str, say: Callable[[str], None]) -> AnnData:
    """The table with raw values in ``X``: of the layer asked for, or of counts kept beside scaled values."""
    if layer is None and not _whole(table.X):
        kept = ["counts"] if "counts" in table.layers else [RAW] if table.raw is not None else []
        layer = next((name for name in kept if _whole(_values(table, name).X)), None)
        if layer is None:
            say(f"{what}: values are no whole numbers and are kept as they are")
        else:
            say(f"{what}: X is no counts, the counts in '{layer}' are taken")
    return table if layer is None else _values(table, layer)


def _values(table: AnnData, layer: str) -> AnnData:
    if layer == RAW and table.raw is not None:
        return table.raw.to_adata()
    if layer not in table.layers:
        raise unknown_name("layer", layer, [*table.layers, *([RAW] if table.raw is not None else [])])
    other = table.copy()
    other.X = table.layers[layer]
    return other


def _whole(values: object) -> bool:
    return bool(np.all(np.mod(sparse.csr_matrix(values).data, 1) == 0))


def _labels(reference: AnnData, column: str | None) -> pd.DataFrame:
    """``cell_type`` from the column asked for, or the one of that name; no column where there is none."""
    if column is not None and column not in reference.obs:
        raise unknown_name("column of the reference's obs", column, reference.obs.columns)
    source = column or ("cell_type" if "cell_type" in reference.obs else None)
    labels = {} if source is None else {"cell_type": pd.Categorical(reference.obs[source].astype(str))}
    return pd.DataFrame(labels, index=reference.obs_names)


def _places(spatial: AnnData, file: Path | None, say: Callable[[str], None]) -> np.ndarray | None:
    """Coordinates (n_spots, 2 or 3) from the file, from ``obsm["spatial"]``, or from columns of ``obs``."""
    if file is not None:
        return np.asarray(read_coordinates(file, spatial.obs_names), dtype=np.float32)
    if "spatial" in spatial.obsm:
        return np.asarray(spatial.obsm["spatial"], dtype=np.float32)
    columns = coordinate_columns(spatial.obs)
    if columns is not None:
        say(f"spatial table: coordinates from obs columns {' and '.join(columns)}")
        return np.asarray(spatial.obs[list(columns)], dtype=np.float32)
    say("spatial table: no coordinates; give a table of them with --coordinates")
    return None


def _plain(table: AnnData, what: str, say: Callable[[str], None], obs: pd.DataFrame | None = None) -> AnnData:
    """Counts, names and labels only; repeated names get a suffix, as scanpy does."""
    index = table.obs_names.astype(str)
    plain = AnnData(
        sparse.csr_matrix(table.X, dtype=np.float32),
        obs=pd.DataFrame(index=index) if obs is None else obs.set_axis(index),
        var=pd.DataFrame(index=table.var_names.astype(str)),
    )
    for names, make_unique, noun in (
        (plain.var_names, plain.var_names_make_unique, "gene"),
        (plain.obs_names, plain.obs_names_make_unique, "row"),
    ):
        if not names.is_unique:
            say(f"{what}: {names.duplicated().sum()} repeated {noun} names got a suffix")
            make_unique()
    return plain
