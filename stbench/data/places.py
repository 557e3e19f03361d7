"""Coordinates of spots: from ``obsm``, from columns, from the names of spots, or from a file."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from anndata import AnnData

from stbench.data.columns import PLACES, ROW_NAMES, as_names, cells_of_fields, generated, place_columns, plain
from stbench.data.decisions import Decisions
from stbench.data.textmatrix import sniffed
from stbench.errors import StbenchError, first_line, unknown_name

KEYS = ("spatial", "X_spatial", "spatial3d", "X_xy", "xy", "coordinates", "coords", "X_coords")  # of obsm
VISIUM = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
IN_NAMES = re.compile(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)")  # of the spots of Spatial Transcriptomics


def places_of(spatial: AnnData, key: str | None, decisions: Decisions) -> np.ndarray | None:
    """Coordinates (n_spots, 2 or 3) in the table itself; None where there are none.

    They are in ``obsm[key]`` (default: the first of `KEYS` that exists), in columns of ``obs``, or in names
    such as ``12x7``. Raises `StbenchError` for a key that does not exist and for what are no coordinates.
    """
    if key is not None and key not in spatial.obsm:
        raise unknown_name("key of obsm with coordinates", key, spatial.obsm)
    found = [key] if key is not None else [name for name in KEYS if name in spatial.obsm]
    if found:
        if found[0] != "spatial":
            decisions.say(f"spatial table: coordinates from obsm['{found[0]}']")
        return checked(spatial.obsm[found[0]], spatial.obs_names, f"obsm['{found[0]}']")
    if columns := place_columns(spatial.obs.columns):
        decisions.say(f"spatial table: coordinates from columns {' and '.join(columns)}")
        return checked(spatial.obs[list(columns)], spatial.obs_names, f"columns {' and '.join(columns)}")
    parts = [IN_NAMES.fullmatch(str(name)) for name in spatial.obs_names]
    if parts and all(parts):
        example = spatial.obs_names[0]
        decisions.guess(f"spatial table: coordinates from the names of spots ('{example}')", "--coordinates")
        return checked([part.groups() for part in parts if part], spatial.obs_names, "names of the spots")
    return None


def checked(values: Any, names: pd.Index, where: str) -> np.ndarray:
    """Coordinates as floating-point numbers, (n_spots, 2 or 3).

    Of a table (DataFrame) only the columns of coordinates are taken, or those with numbers. Raises
    `StbenchError` for another number of columns, text, missing values, and spots that are all on one place.
    """
    if isinstance(values, pd.DataFrame):
        columns = place_columns(values.columns)
        values = values[list(columns)] if columns else values.select_dtypes("number")
    values = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise StbenchError(
            f"The coordinates ({where}) have the shape {values.shape}; spots x 2 or 3 is needed."
        )
    try:
        floats = np.issubdtype(values.dtype, np.floating)
        places: np.ndarray = values if floats else values.astype(np.float32)
    except ValueError as error:
        raise StbenchError(f"The coordinates ({where}) are not all numbers ({first_line(error)}).") from error
    missing = ~np.isfinite(places).all(axis=1)
    if missing.any():
        raise StbenchError(
            f"{missing.sum()} of {len(places)} spots have no coordinates in {where} (first: "
            f"'{names[missing][0]}'). Leave these spots out, or give their coordinates."
        )
    if len(places) > 1 and (places == places[0]).all():
        raise StbenchError(
            f"All {len(places)} spots have the same coordinates in {where}. Give their places."
        )
    return places


def read_coordinates(
    path: Path, names: pd.Index, decisions: Decisions | None = None, *, any_columns: bool = False
) -> np.ndarray:
    """Coordinates of the spots called ``names`` from a table, (n_spots, 2 or 3), in their order.

    They are in columns with the name of coordinates, or with ``any_columns`` in all columns of numbers.

    Rows are matched by name. They are matched by order only where the spots or the rows have no names, or
    the same names in the same order. Raises `StbenchError` where neither is possible, where no columns of
    coordinates are known, and for coordinates that `checked` refuses.
    """
    decisions = decisions or Decisions(quiet=True)
    table = read_frame(path)
    columns: list[str] = list(place_columns(table.columns) or ())
    if any_columns:
        numbers = [
            column for column in table.select_dtypes("number").columns if plain(column) not in ROW_NAMES
        ]
        columns = numbers if len(numbers) in (2, 3) else columns
    if not columns:
        known = "; ".join(", ".join(pair) for pair in PLACES)
        raise StbenchError(f"File '{path}' has no columns of coordinates. Known, in any case: {known}.")
    rows = _matched(path, table, columns, names, decisions)
    decisions.say(f"{path.name}: coordinates from columns {' and '.join(columns)}")
    return checked(rows[columns].to_numpy(), names, f"'{path}'").astype(np.float32)


def read_frame(path: Path) -> pd.DataFrame:
    """The table in ``path``; the positions of Visium before Space Ranger 2 have no header."""
    if not path.is_file():
        raise StbenchError(f"File '{path}' does not exist.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        text = sniffed(path)
        bare = len(text.header) == len(VISIUM) and all(v.strip().isdigit() for v in text.header[1:4])
        return pd.read_csv(
            path,
            sep=text.delimiter,
            encoding=text.encoding,
            decimal=text.decimal,
            header=None if bare else 0,
            names=VISIUM if bare else None,
        )
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise StbenchError(f"File '{path}' is not a table ({first_line(error)}).") from error


def _matched(
    path: Path, table: pd.DataFrame, columns: list[str], names: pd.Index, decisions: Decisions
) -> pd.DataFrame:
    """The rows of ``table`` for the spots."""
    keys = _keys(table, columns)
    names = names.astype(str)
    best: tuple[int, str, pd.Index] | None = None
    for what, key in keys.items():
        if key.is_unique and names.isin(key).all():
            decisions.say(f"{path.name}: rows matched to spots by {what}")
            return table.set_axis(key).loc[names]
        if len(key) == len(names) and (key == names).all():
            decisions.say(f"{path.name}: names in {what} are repeated, in the order of the spots")
            return table
        if pd.Series(key).nunique() > len(key) / 2:
            known = int(names.isin(key).sum())
            if best is None or known > best[0]:
                best = known, what, key
    if best is not None and not generated(names):
        known, what, key = best
        of_spots, of_rows = ([f"'{name}'" for name in some[:2]] for some in (names[~names.isin(key)], key))
        raise StbenchError(
            f"File '{path}' ({what}) has the names of {known} of {len(names)} spots. Spots without a row are "
            f"{' and '.join(of_spots) or 'none, but names are repeated'}, rows are {' and '.join(of_rows)}. "
            "Use the same names in both."
        )
    if len(table) != len(names):
        raise StbenchError(
            f"File '{path}' has {len(table)} rows for {len(names)} spots, and no column with all their names."
        )
    decisions.guess(f"{path.name}: rows matched to spots by their order", "give names of spots in both")
    return table.set_axis(names)


def _keys(table: pd.DataFrame, columns: list[str]) -> dict[str, pd.Index]:
    """What may name the rows: columns of text or with a known name, and the index, by a description."""
    keys = {}
    names = cells_of_fields(table)
    if names is not None:
        keys["cell_ID and fov"] = names
    for column in table.columns:
        if column in columns:
            continue
        text = not pd.api.types.is_numeric_dtype(table[column])
        if text or plain(column) in ROW_NAMES:
            keys[f"column '{column}'"] = as_names(table[column])
    if not isinstance(table.index, pd.RangeIndex):
        keys["its index"] = as_names(table.index)
    return keys
