"""Columns of a table that are no genes, by the names that platforms and packages give them.

Names are compared in lower case, without spaces, dots, dashes and underscores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

ROW_NAMES = {  # names of cells, spots or genes
    *("barcode", "barcodes", "cell", "cells", "cellid", "cellname", "entityid", "spot", "spots"),
    *("spotid", "bead", "beadid", "index", "unnamed:0", "row", "rownames", "rowid", "id", "name"),
    *("objectid", "binid", "gene", "genes", "geneid", "genename", "genesymbol", "symbol", "ensembl"),
    *("ensemblid", "feature", "featurename", "featureid", "cellbarcode", "obsnames", "varnames"),
    *("locationid", "roi", "roiid"),
}
ABOUT_ROWS = {  # measurements of a cell or spot beside its genes
    *("fov", "volume", "area", "ncounts", "ngenes", "ngenesbycounts", "totalcounts", "ncountrna"),
    *("nfeaturerna", "ncountspatial", "nfeaturespatial", "percentmt", "pctcountsmt", "minx", "maxx"),
    *("miny", "maxy", "centerz", "intissue", "arrayrow", "arraycol", "leiden", "louvain"),
    *("seuratclusters", "celltype", "libraryid", "cellarea", "nucleusarea", "transcriptcounts"),
    *("controlprobecounts", "numtranscripts", "numi", "ngene", "numumis", "numumi", "numgenes"),
    *("sampleid", "sectionid", "sliceid", "batch", "origident", "timestamp"),
}
PLACES = (  # the names of x and y on each platform, the best ones first
    ("x", "y"),
    ("x_centroid", "y_centroid"),  # Xenium
    ("center_x", "center_y"),  # MERSCOPE
    ("centerx_global_px", "centery_global_px"),  # CosMx
    ("x_slide_mm", "y_slide_mm"),  # CosMx
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),  # Visium
    ("imagecol", "imagerow"),  # Seurat
    ("x_coord", "y_coord"),
    ("xcoord", "ycoord"),  # Slide-seq
    ("coord_x", "coord_y"),
    ("x_location", "y_location"),
    ("pixel_x", "pixel_y"),
    ("x_pixel", "y_pixel"),
    ("spatial_x", "spatial_y"),
    ("spatial1", "spatial2"),
    ("global_x", "global_y"),
    ("x_um", "y_um"),
    ("x_position", "y_position"),
    ("sdimx", "sdimy"),  # Giotto
    ("array_col", "array_row"),
    ("col", "row"),
)
EXACT = 1 << 24  # the largest whole numbers that float32 holds exactly
NEARLY_ALL = 0.9


def plain(name: object) -> str:
    """The name as it is compared."""
    return re.sub(r"[\s._-]", "", str(name)).lower()


def place_columns(names: Iterable[object]) -> tuple[str, str] | None:
    """The columns of x and y under one of `PLACES`; None where there are none."""
    by_name = {plain(name): str(name) for name in names}
    pairs = ((plain(x), plain(y)) for x, y in PLACES)
    return next(((by_name[x], by_name[y]) for x, y in pairs if x in by_name and y in by_name), None)


def names_rows(name: object, values: Sequence[float] | np.ndarray) -> bool:
    """Whether a column with this name and these numbers identifies rows, by both.

    Some names could be genes (``row`` is one of Drosophila): their values must be near-unique whole numbers.
    """
    key = plain(name)
    if key not in ROW_NAMES:
        return False
    if len(key) > 2 and (key.endswith("id") or "barcode" in key):
        return True
    numbers = np.asarray(values, dtype=float)
    whole = bool(np.isfinite(numbers).all() and np.all(np.mod(numbers, 1) == 0))
    return whole and (len(np.unique(numbers)) >= NEARLY_ALL * len(numbers) or numbers.max() > EXACT)


def describes_rows(names: Iterable[object]) -> list[str]:
    """Those of the names that are measurements of a row or coordinates."""
    texts = [str(name) for name in names]
    places = place_columns(texts) or ()
    depth = [name for name in texts if places and plain(name) in ("z", "zcoord", "spatial3")]
    return [name for name in texts if plain(name) in ABOUT_ROWS or name in places or name in depth]


def generated(names: pd.Index) -> bool:
    """Whether the names of rows are only their numbers, so that they name nothing."""
    if len(names) == 0:
        return True
    first = re.fullmatch(r"(row|spot|)([01])", str(names[0]))
    if first is None:
        return False
    start = int(first[2])
    return bool(np.array_equal(names.astype(str), [f"{first[1]}{i + start}" for i in range(len(names))]))


def as_names(values: pd.Series | pd.Index) -> pd.Index:
    """Names as text: bytes are decoded, and whole numbers have no decimals."""
    if pd.api.types.is_float_dtype(values.dtype) and np.all(np.mod(np.asarray(values), 1) == 0):
        values = values.astype(np.int64)
    return pd.Index([v.decode() if isinstance(v, bytes) else str(v) for v in values])


def cells_of_fields(table: pd.DataFrame) -> pd.Index | None:
    """Names of cells from ``cell_ID`` and ``fov``, as squidpy makes them; None without both columns.

    CosMx counts the cells of each field of view from 1.
    """
    by_name = {plain(column): column for column in table.columns}
    if not {"fov", "cellid"} <= by_name.keys():
        return None
    cell, field = (as_names(table[by_name[name]]) for name in ("cellid", "fov"))
    return cell + "_" + field
