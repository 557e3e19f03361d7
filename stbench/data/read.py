"""Reads tables of counts and coordinates in the formats of scanpy, anndata and squidpy."""

from __future__ import annotations

from pathlib import Path

import anndata
import pandas as pd
from anndata import AnnData

from stbench.data.textmatrix import read_text_matrix
from stbench.errors import StbenchError, first_line
from stbench.files import read_h5ad

TEXT = (".csv", ".tsv", ".txt")
FORMATS = (
    ".h5ad, 10x .h5, a folder with matrix.mtx, .loom, .zarr (AnnData or SpatialData), "
    ".csv, .tsv or .txt (perhaps .gz)"
)
COORDINATES = (  # the names of x and y on each platform
    ("x", "y"),
    ("x_centroid", "y_centroid"),  # Xenium
    ("center_x", "center_y"),  # MERSCOPE
    ("centerx_global_px", "centery_global_px"),  # CosMx
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),  # Visium
    ("x_coord", "y_coord"),
    ("xcoord", "ycoord"),  # Slide-seq
)
VISIUM = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]


def is_text(path: Path) -> bool:
    """Whether ``path`` is a text table, where genes may be in rows or in columns."""
    return path.with_suffix("" if path.suffix == ".gz" else path.suffix).suffix in TEXT


def read_table(path: Path) -> AnnData:
    """The table at ``path``, rows and columns as in the file.

    Raises `StbenchError` where the path does not exist, is damaged, or has an unknown format.
    """
    if not path.exists():
        raise StbenchError(f"'{path}' does not exist.")
    if path.suffix == ".h5ad":
        return read_h5ad(path)
    if is_text(path):
        return read_text_matrix(path)
    import scanpy as sc  # slow to import, and only the formats below need it

    try:
        if path.suffix == ".h5":
            return sc.read_10x_h5(path)
        if path.suffix == ".loom":
            return anndata.io.read_loom(path)
        if path.suffix == ".zarr":
            return anndata.read_zarr(_spatialdata_table(path) or path)
        if any((path / name).is_file() for name in ("matrix.mtx", "matrix.mtx.gz")):
            return sc.read_10x_mtx(path, make_unique=False)
    except ImportError as error:
        raise StbenchError(f"'{path}': {error}. Install: pip install \"stbench[formats]\".") from error
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise StbenchError(f"'{path}' cannot be read ({first_line(error)}).") from error
    hint = " Save R objects as .h5ad first." if path.suffix.lower() in (".rds", ".rda", ".rdata") else ""
    raise StbenchError(f"The format of '{path}' is not known. Known: {FORMATS}.{hint}")


def _spatialdata_table(store: Path) -> Path | None:
    """The only table of a SpatialData store; None for another kind of store."""
    tables = [path for path in sorted((store / "tables").glob("[!.]*")) if path.is_dir()]
    if len(tables) > 1:
        names = ", ".join(str(path) for path in tables)
        raise StbenchError(f"'{store}' has more than one table. Give one of: {names}.")
    return tables[0] if tables else None


def read_coordinates(path: Path, names: pd.Index) -> pd.DataFrame:
    """Coordinates of the spots called ``names`` from a table, (n_spots, 2), in their order.

    Rows are matched by name where a column holds all names, else by order where the numbers are equal.
    Raises `StbenchError` where neither is possible or no columns of coordinates are known.
    """
    if not path.is_file():
        raise StbenchError(f"File '{path}' does not exist.")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.name.startswith("tissue_positions_list"):
            table = pd.read_csv(path, header=None, names=VISIUM)
        else:
            table = pd.read_csv(path, sep="," if ".csv" in path.suffixes else "\t")
    except (OSError, ValueError) as error:
        raise StbenchError(f"File '{path}' is not a table ({first_line(error)}).") from error
    columns = coordinate_columns(table)
    if columns is None:
        known = "; ".join(", ".join(pair) for pair in COORDINATES)
        raise StbenchError(f"File '{path}' has no columns of coordinates. Known, in any case: {known}.")
    for column in (*table.columns, None):
        keys = (table.index if column is None else table[column]).astype(str)
        if names.isin(keys).all() and keys.is_unique:
            return table.set_axis(pd.Index(keys)).loc[names, list(columns)]
    if len(table) == len(names):
        return table[list(columns)].set_axis(names)
    raise StbenchError(
        f"File '{path}' has {len(table)} rows for {len(names)} spots, and no column with all their names."
    )


def coordinate_columns(table: pd.DataFrame) -> tuple[str, str] | None:
    """The columns with x and y under one of the `COORDINATES`, in any case; None where there are none."""
    by_name = {str(column).lower(): column for column in table.columns}
    return next(((by_name[x], by_name[y]) for x, y in COORDINATES if x in by_name and y in by_name), None)
