"""The text layout of SpatialBenchmarking (Li et al. 2022) and of the Zenodo record of SpaDiT.

``scRNA_count.txt``: tab separated, genes in rows, cells in columns. ``Spatial_count.txt`` (or
``Insitu_count.txt``): tab separated, a header of gene names, then one line of values per spot, perhaps with
a name first. ``Locations.txt``: two or three columns of coordinates with a header; may be absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register
from stbench.errors import StbenchError

if TYPE_CHECKING:
    from anndata import AnnData

SPATIAL_NAMES = ("Spatial_count.txt", "Insitu_count.txt")


@register(
    "text",
    reads=lambda folder: (
        (folder / "scRNA_count.txt").is_file() and any((folder / name).is_file() for name in SPATIAL_NAMES)
    ),
)
def load_text(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference (cells x genes) and spatial table (spots x genes) from the text files of ``folder``."""
    from stbench.data.textmatrix import read_text_matrix

    reference = read_text_matrix(folder / "scRNA_count.txt", named_rows=True).T
    reference.X = reference.X.tocsr()
    spatial_file = next(folder / name for name in SPATIAL_NAMES if (folder / name).is_file())
    spatial = read_text_matrix(spatial_file, unnamed="spot")
    locations = folder / "Locations.txt"
    if locations.is_file():
        coordinates = read_text_matrix(locations).X.toarray()
        if len(coordinates) != spatial.n_obs:
            raise StbenchError(
                f"File '{locations}' has {len(coordinates)} spots, '{spatial_file}' {spatial.n_obs}."
            )
        spatial.obsm["spatial"] = coordinates
    return reference, spatial
