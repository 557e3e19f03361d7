"""Makes a pair of two tables: raw counts in ``X``, coordinates in ``obsm["spatial"]``, genes in columns."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.read import coordinate_columns, is_text, read_coordinates, read_table
from stbench.data.tables import RAW, cell_types, whole_numbers, with_layer
from stbench.errors import StbenchError
from stbench.files import whole_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """The parts of a pair: two tables, a layer of each (``raw`` is ``.raw``), coordinates, labels."""

    reference: Path
    spatial: Path
    coordinates: Path | None = None
    reference_layer: str | None = None
    spatial_layer: str | None = None
    cell_type: str | None = None


def convert(sources: Sources, out: Path) -> None:
    """Write the pair of ``sources`` into the new folder ``out``; every choice that was made is logged.

    Raises `StbenchError` where ``out`` exists, a table cannot be read, a layer or column does not exist, or
    the two tables share no gene name.
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
    """Both tables with genes in columns; text tables are transposed where they then share more names."""
    turns = [(False, True) if is_text(path) else (False,) for path in (sources.reference, sources.spatial)]
    names = [(set(table.var_names), set(table.obs_names)) for table in (reference, spatial)]
    ways = [(len(names[0][a] & names[1][b]), a, b) for a in turns[0] for b in turns[1]]
    shared, turn_reference, turn_spatial = max(ways, key=lambda way: way[0])
    if shared == 0:
        raise StbenchError(
            f"'{sources.reference}' and '{sources.spatial}' share no gene name. "
            f"They have, for example, '{reference.var_names[0]}' and '{spatial.var_names[0]}'."
        )
    if turn_reference:
        log.info("%s: genes are in rows", sources.reference.name)
        reference = reference.T
    if turn_spatial:
        log.info("%s: genes are in rows", sources.spatial.name)
        spatial = spatial.T
    return reference, spatial


def _counts(table: AnnData, layer: str | None, what: str) -> AnnData:
    """The table with raw values in ``X``: from the requested layer, or from counts beside scaled values."""
    if layer is None and not whole_numbers(table.X):
        kept = ["counts"] if "counts" in table.layers else [RAW] if table.raw is not None else []
        layer = next((name for name in kept if whole_numbers(with_layer(table, name, what).X)), None)
        if layer is None:
            log.warning("%s: values are not whole numbers and are kept as they are", what)
        else:
            log.info("%s: X does not hold counts, the counts in '%s' are taken", what, layer)
    return table if layer is None else with_layer(table, layer, what)


def _coordinates(spatial: AnnData, file: Path | None) -> np.ndarray | None:
    """Coordinates (n_spots, 2 or 3) from the file, from ``obsm["spatial"]``, or from columns of ``obs``."""
    if file is not None:
        found = read_coordinates(file, spatial.obs_names)
    elif "spatial" in spatial.obsm:
        found = spatial.obsm["spatial"]
    elif columns := coordinate_columns(spatial.obs):
        log.info("spatial table: coordinates from obs columns %s", " and ".join(columns))
        found = spatial.obs[list(columns)]
    else:
        log.warning("spatial table: no coordinates; give a table of them with --coordinates")
        return None
    return np.asarray(found, dtype=np.float32)


def _plain(table: AnnData, what: str, obs: pd.DataFrame) -> AnnData:
    """Counts, names and labels only; repeated names get a suffix, as in scanpy."""
    plain = AnnData(
        sparse.csr_matrix(table.X, dtype=np.float32),
        obs=obs.set_axis(table.obs_names.astype(str)),
        var=pd.DataFrame(index=table.var_names.astype(str)),
    )
    for names, noun in ((plain.var_names, "gene"), (plain.obs_names, "row")):
        if not names.is_unique:
            log.warning("%s: %d repeated %s names got a suffix", what, names.duplicated().sum(), noun)
    plain.var_names_make_unique()
    plain.obs_names_make_unique()
    return plain
