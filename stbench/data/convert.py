"""Any two tables as a pair: raw counts in ``X``, coordinates in ``obsm["spatial"]``, one gene one column."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.read import coordinate_columns, is_text, read_coordinates, read_table
from stbench.data.tables import RAW, cell_types, with_layer
from stbench.errors import StbenchError
from stbench.files import whole_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """What a pair is made of: two tables, a layer of each (``raw``: ``.raw``), coordinates, labels."""

    reference: Path
    spatial: Path
    coordinates: Path | None = None
    reference_layer: str | None = None
    spatial_layer: str | None = None
    cell_type: str | None = None


def convert(sources: Sources, out: Path) -> None:
    """Write the pair of ``sources`` into the new folder ``out``; every choice that was made is logged.

    Raises
    ------
    StbenchError
        Where ``out`` exists, a table cannot be read, a layer or column does not exist, or the two tables
        share no gene name.
    """
    if out.exists():
        raise StbenchError(f"'{out}' exists. Choose another folder with --out, or remove it.")
    reference, spatial = _oriented(sources, read_table(sources.reference), read_table(sources.spatial))
    reference = _counts(reference, sources.reference_layer, "reference")
    spatial = _counts(spatial, sources.spatial_layer, "spatial table")
    labels = cell_types(reference, sources.cell_type)
    coordinates = _coordinates(spatial, sources.coordinates)
    with whole_folder(out) as part:
        _plain(reference, "reference", labels).write_h5ad(part / "sc.h5ad")
        plain = _plain(spatial, "spatial table", pd.DataFrame(index=spatial.obs_names))
        if coordinates is not None:
            plain.obsm["spatial"] = coordinates
        plain.write_h5ad(part / "st.h5ad")
    shared = len(set(reference.var_names) & set(spatial.var_names))
    cells = f"{reference.n_obs} cells x {reference.n_vars} genes"
    spots = f"{spatial.n_obs} spots x {spatial.n_vars} genes"
    log.info("%s: %s, %s, %d shared", out, cells, spots, shared)


def _oriented(sources: Sources, reference: AnnData, spatial: AnnData) -> tuple[AnnData, AnnData]:
    """Both tables with genes as columns: text tables are turned so that they share the most names."""
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
            log.info("%s: genes are in rows", path.name)
    return (reference.T if turn_reference else reference), (spatial.T if turn_spatial else spatial)


def _counts(table: AnnData, layer: str | None, what: str) -> AnnData:
    """The table with raw values in ``X``: of the layer asked for, or of counts kept beside scaled values."""
    if layer is None and not _whole(table.X):
        kept = ["counts"] if "counts" in table.layers else [RAW] if table.raw is not None else []
        layer = next((name for name in kept if _whole(with_layer(table, name, what).X)), None)
        if layer is None:
            log.warning("%s: values are not whole numbers and are kept as they are", what)
        else:
            log.info("%s: X does not hold counts, the counts in '%s' are taken", what, layer)
    return table if layer is None else with_layer(table, layer, what)


def _whole(values: object) -> bool:
    return bool(np.all(np.mod(sparse.csr_matrix(values).data, 1) == 0))


def _coordinates(spatial: AnnData, file: Path | None) -> np.ndarray | None:
    """Coordinates (n_spots, 2 or 3) from the file, from ``obsm["spatial"]``, or from columns of ``obs``."""
    if file is not None:
        return np.asarray(read_coordinates(file, spatial.obs_names), dtype=np.float32)
    if "spatial" in spatial.obsm:
        return np.asarray(spatial.obsm["spatial"], dtype=np.float32)
    columns = coordinate_columns(spatial.obs)
    if columns is not None:
        log.info("spatial table: coordinates from obs columns %s", " and ".join(columns))
        return np.asarray(spatial.obs[list(columns)], dtype=np.float32)
    log.warning("spatial table: no coordinates; give a table of them with --coordinates")
    return None


def _plain(table: AnnData, what: str, obs: pd.DataFrame) -> AnnData:
    """Counts, names and labels only; repeated names get a suffix, as scanpy does."""
    plain = AnnData(
        sparse.csr_matrix(table.X, dtype=np.float32),
        obs=obs.set_axis(table.obs_names.astype(str)),
        var=pd.DataFrame(index=table.var_names.astype(str)),
    )
    for names, make_unique, noun in (
        (plain.var_names, plain.var_names_make_unique, "gene"),
        (plain.obs_names, plain.obs_names_make_unique, "row"),
    ):
        if not names.is_unique:
            log.warning("%s: %d repeated %s names got a suffix", what, names.duplicated().sum(), noun)
            make_unique()
    return plain
