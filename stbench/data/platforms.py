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


LAYOUTS = (
    Layout(
        "Xenium",
        ("*cell_feature_matrix.h5", "cell_feature_matrix", "*cell_feature_matrix.zarr"),
        ("*cells.parquet", "*cells.csv.gz", "*cells.csv"),
    ),
    Layout("MERSCOPE", ("*cell_by_gene*.csv", "*cell_by_gene*.csv.gz"), ("*cell_metadata*.csv*",)),
    Layout("CosMx", ("*exprMat_file.csv*", "*exprMat*.csv*"), ("*metadata_file.csv*", "*metadata*.csv*")),
    Layout(
        "Visium",
        ("*filtered_feature_bc_matrix.h5", "filtered_feature_bc_matrix", "*raw_feature_bc_matrix.h5"),
        (
            *(f"spatial/tissue_positions{end}" for end in (".parquet", ".csv", "_list.csv")),
            *(f"*tissue_positions*{end}" for end in (".parquet", ".csv", ".csv.gz")),
        ),
    ),
    *(
        Layout(
            "Visium HD",
            (f"binned_outputs/square_{size}um/filtered_feature_bc_matrix.h5",),
            (f"binned_outputs/square_{size}um/spatial/tissue_positions.parquet",),
        )
        for size in ("008", "016", "002")
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
        places = _first(folder, layout.places)
        if places is not None:
            return layout.platform, table, places
        if layout.platform != "Visium":  # its matrix is also that of cells without places
            raise StbenchError(
                f"Folder '{folder}' of {layout.platform} has '{table.name}' but no coordinates "
                f"({', '.join(layout.places)}). Give them with --coordinates, and '{table}' as the table."
            )
    return None


def _first(folder: Path, patterns: tuple[str, ...]) -> Path | None:
    """The one path that the first fitting pattern finds."""
    for pattern in patterns:
        found = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise StbenchError(
                f"Folder '{folder}' has more than one {pattern}: {names}. Give one of the files."
            )
        if found:
            return found[0]
    return None
