"""Text files as in SpatialBenchmarking (Li et al. 2022) and the Zenodo record of SpaDiT.

``scRNA_count.txt``: tab separated, genes in rows, cells in columns. ``Spatial_count.txt`` (or
``Insitu_count.txt``): tab separated, a header of gene names, then one line of values per spot, with or
without its name. ``Locations.txt`` (optional): two or three columns of coordinates with a header, perhaps
after the name of the spot.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import Sizes, register

if TYPE_CHECKING:
    from anndata import AnnData

SPATIAL_NAMES = ("Spatial_count.txt", "Insitu_count.txt")


def reads(folder: Path) -> bool:
    """Whether ``folder`` holds both tables."""
    return (folder / "scRNA_count.txt").is_file() and any((folder / name).is_file() for name in SPATIAL_NAMES)


def sizes(folder: Path) -> Sizes:
    """The sizes of both tables, by their lines."""
    from stbench.data.textmatrix import text_shape

    genes, cells = text_shape(folder / "scRNA_count.txt", named_rows=True)
    spots, panel = text_shape(_spatial_file(folder))
    return Sizes(cells_raw=cells, reference_genes_raw=genes, spots_raw=spots, spatial_genes_raw=panel)


@register("text", reads=reads, sizes=sizes)
def load_text(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference (cells x genes) and spatial table (spots x genes) from the text files of ``folder``."""
    from stbench.data.places import read_coordinates
    from stbench.data.textmatrix import read_text_matrix

    reference = read_text_matrix(folder / "scRNA_count.txt", named_rows=True).T
    reference.X = reference.X.tocsr()
    spatial = read_text_matrix(_spatial_file(folder), unnamed="spot")
    locations = folder / "Locations.txt"
    if locations.is_file():
        spatial.obsm["spatial"] = read_coordinates(locations, spatial.obs_names, any_columns=True)
    return reference, spatial


def _spatial_file(folder: Path) -> Path:
    return next(folder / name for name in SPATIAL_NAMES if (folder / name).is_file())
