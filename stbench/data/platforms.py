"""Output folders of platforms, given as they are: which file is the table, and which has the coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stbench.errors import StbenchError


@dataclass(frozen=True)
class Layout:
    """The patterns of the table and of the coordinates of a platform, the best ones first."""

    platform: str
    tables: tuple[str, ...]
    places: tuple[str, ...]


VISIUM_TABLES = ("*filtered_feature_bc_matrix.h5", "filtered_feature_bc_matrix", "*raw_feature_bc_matrix.h5")
VISIUM_PLACES = (
    *(
        "spatial/tissue_positions.parquet",
        "spatial/tissue_positions.csv",
        "spatial/tissue_positions_list.csv",
    ),
    *("*tissue_positions*.parquet", "*tissue_positions*.csv", "*tissue_positions*.csv.gz"),
)
LAYOUTS = (
    Layout(
        "Xenium",
        ("*cell_feature_matrix.h5", "cell_feature_matrix", "*cell_feature_matrix.zarr"),
        ("*cells.parquet", "*cells.csv.gz", "*cells.csv"),
    ),
    Layout("MERSCOPE", ("*cell_by_gene*.csv", "*cell_by_gene*.csv.gz"), ("*cell_metadata*.csv*",)),
    Layout("CosMx", ("*exprMat_file.csv*", "*exprMat*.csv*"), ("*metadata_file.csv*", "*metadata*.csv*")),
    Layout("Visium", VISIUM_TABLES, VISIUM_PLACES),
    Layout(
        "Visium HD",
        tuple(
            f"binned_outputs/square_{size}um/filtered_feature_bc_matrix.h5" for size in ("008", "016", "002")
        ),
        tuple(
            f"binned_outputs/square_{size}um/spatial/tissue_positions.parquet"
            for size in ("008", "016", "002")
        ),
    ),
)


def platform_folder(folder: Path) -> tuple[str, Path, Path] | None:
    """The platform of an output folder, its table and its coordinates; None for another folder.

    Raises `StbenchError` where the table is there and the coordinates are missing, or files are ambiguous.
    """
    for layout in LAYOUTS:
        table = _first(folder, layout.tables)
        if table is None:
            continue
        places = _first(folder, layout.places, beside=table)
        if places is not None:
            return layout.platform, table, places
        if layout.platform not in ("Visium",):
            raise StbenchError(
                f"Folder '{folder}' of {layout.platform} has '{table.name}' but no coordinates "
                f"({', '.join(layout.places)}). Give them with --coordinates, and '{table}' as the table."
            )
    return None


def _first(folder: Path, patterns: tuple[str, ...], *, beside: Path | None = None) -> Path | None:
    """The one path that the first fitting pattern finds, in the folder of ``beside`` where that is nested."""
    for pattern in patterns:
        found = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
        if beside is not None and "square_" in str(beside.relative_to(folder)):
            found = [path for path in found if beside.parent in path.parents]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise StbenchError(
                f"Folder '{folder}' has more than one {pattern}: {names}. Give one of the files."
            )
        if found:
            return found[0]
    return None
