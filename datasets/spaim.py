"""Files as in the record of SpaIM (Li et al. 2025): two h5ad, counts in ``X``.

The layout is read from the public code of SpaIM; nobody has seen the record itself here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import Sizes, register

if TYPE_CHECKING:
    from anndata import AnnData

REFERENCE, SPATIAL = "scRNA_count_cluster.h5ad", "Insitu_count.h5ad"


def reads(folder: Path) -> bool:
    """Whether ``folder`` holds both tables."""
    return (folder / REFERENCE).is_file() and (folder / SPATIAL).is_file()


def sizes(folder: Path) -> Sizes:
    """The sizes of both tables, without reading them."""
    from stbench.data.recipes import h5ad_shape

    cells, genes = h5ad_shape(folder / REFERENCE)
    spots, panel = h5ad_shape(folder / SPATIAL)
    return Sizes(cells_raw=cells, reference_genes_raw=genes, spots_raw=spots, spatial_genes_raw=panel)


@register("spaim", reads=reads, sizes=sizes)
def load_spaim(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference and spatial table, as in the two files."""
    from stbench.files import read_h5ad

    return read_h5ad(folder / REFERENCE), read_h5ad(folder / SPATIAL)
