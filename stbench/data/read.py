"""Reads tables of counts in the formats of scanpy, anndata, squidpy and the platforms."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.decisions import Decisions
from stbench.data.features import only_genes
from stbench.data.mex import matrix_file, read_mex
from stbench.data.places import read_coordinates
from stbench.data.platforms import platform_folder
from stbench.data.textmatrix import read_text_matrix
from stbench.errors import StbenchError, first_line
from stbench.files import read_h5ad

TEXT = (".csv", ".tsv", ".txt")
FORMATS = (
    ".h5ad, 10x .h5, a folder with matrix.mtx, .loom, .zarr (AnnData or SpatialData), "
    ".csv, .tsv or .txt (perhaps .gz), .parquet, "
    "an output folder of Visium, Visium HD, Xenium, MERSCOPE or CosMx"
)
CELL_NAMES, GENE_NAMES = (  # attributes of loom files, by anndata, Seurat, loomR and velocyto
    ("obs_names", "CellID", "cell_names", "Cell", "cells", "index"),
    ("var_names", "Gene", "gene_names", "gene", "Symbol", "index"),
)


def is_text(path: Path) -> bool:
    """Whether ``path`` is a text table, where genes may be in rows or in columns."""
    return path.with_suffix("" if path.suffix == ".gz" else path.suffix).suffix in TEXT


def read_table(path: Path, decisions: Decisions | None = None) -> AnnData:
    """The table at ``path``, rows and columns as in the file; ``decisions`` gets what was understood.

    Raises `StbenchError` where the path does not exist, is damaged, or has an unknown format.
    """
    decisions = decisions or Decisions(quiet=True)
    if not path.exists():
        raise StbenchError(f"'{path}' does not exist.")
    kind, table = _read(path, decisions)
    decisions.say(f"{path.name}: {kind}, {table.n_obs} x {table.n_vars}")
    return table


def _read(path: Path, decisions: Decisions) -> tuple[str, AnnData]:
    """The name of the format, and the table."""
    if is_text(path):
        return "text", read_text_matrix(path, decisions=decisions)
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix == ".h5ad":
        return "AnnData", read_h5ad(path) if plain == path else _unpacked(path)
    if matrix := matrix_file(path):
        return "MEX", read_mex(matrix)
    if path.is_dir() and path.suffix != ".zarr" and (found := platform_folder(path)):
        platform, table, places = found
        decisions.say(f"{path.name}: output folder of {platform}: '{table.name}', '{places.name}'")
        return platform, _with_places(read_table(table, decisions), places, decisions)
    try:
        match path.suffix:
            case ".h5" | ".hdf5":
                return _hdf5(path)
            case ".loom":
                return "loom", _loom(path)
            case ".zarr":
                return "zarr", anndata.read_zarr(_spatialdata_table(path) or path)
            case ".parquet":
                return "parquet", _parquet(path)
    except ImportError as error:
        raise StbenchError(f"'{path}': {error}. Install: pip install \"stbench[formats]\".") from error
    except (OSError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise StbenchError(f"'{path}' cannot be read ({first_line(error)}).") from error
    hint = " Save R objects as .h5ad first." if path.suffix.lower() in (".rds", ".rda", ".rdata") else ""
    raise StbenchError(f"The format of '{path}' is not known. Known: {FORMATS}.{hint}")


def _with_places(table: AnnData, places: Path, decisions: Decisions) -> AnnData:
    """The table of a platform with its coordinates in ``obsm``."""
    table = only_genes(table, "spatial table", decisions)
    table.obsm["spatial"] = read_coordinates(places, table.obs_names, decisions)
    return table


def _unpacked(file: Path) -> AnnData:
    """The AnnData in a compressed ``file``."""
    with tempfile.TemporaryDirectory(prefix="stbench-read-") as folder:
        plain = Path(folder) / "table.h5ad"
        try:
            with gzip.open(file) as packed, plain.open("wb") as content:
                shutil.copyfileobj(packed, content)
            return read_h5ad(plain)
        except (OSError, EOFError) as error:
            raise StbenchError(f"'{file}' cannot be read ({first_line(error)}).") from error
        except StbenchError as error:
            raise StbenchError(str(error).replace(str(plain), str(file))) from error


def _hdf5(file: Path) -> tuple[str, AnnData]:
    """A 10x matrix with all of its features, or an AnnData that is called ``.h5``."""
    import h5py

    with h5py.File(file) as content:
        is_anndata = "X" in content and "obs" in content
    if is_anndata:
        return "AnnData", read_h5ad(file)
    import scanpy as sc

    return "10x HDF5", sc.read_10x_h5(file, gex_only=False)


def _loom(file: Path) -> AnnData:
    """A loom file; its names of cells and genes are the first known attributes."""
    import h5py

    with h5py.File(file) as content:
        attributes = [list(content[part]) for part in ("col_attrs", "row_attrs")]
    cells, genes = (
        next((name for name in known if name in there), known[0])
        for known, there in zip((CELL_NAMES, GENE_NAMES), attributes, strict=True)
    )
    return anndata.io.read_loom(file, obs_names=cells, var_names=genes)


def _parquet(file: Path) -> AnnData:
    """A table of numbers; columns of text are in ``obs``."""
    frame = pd.read_parquet(file)
    numbers = frame.select_dtypes("number")
    if numbers.shape[1] == 0:
        raise StbenchError(f"'{file}' has no columns of numbers.")
    obs = frame.drop(columns=numbers.columns).set_axis(frame.index.astype(str))
    values = sparse.csr_matrix(numbers.to_numpy(np.float32))
    return AnnData(values, obs=obs, var=pd.DataFrame(index=numbers.columns.astype(str)))


def _spatialdata_table(store: Path) -> Path | None:
    """The only table of a SpatialData store; None for another kind of store."""
    tables = [path for path in sorted((store / "tables").glob("[!.]*")) if path.is_dir()]
    if len(tables) > 1:
        names = ", ".join(str(path) for path in tables)
        raise StbenchError(f"'{store}' has more than one table. Give one of: {names}.")
    return tables[0] if tables else None
