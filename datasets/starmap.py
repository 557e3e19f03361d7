"""STARmap of the visual cortex as in SpaTalk (ZJUFanLab/SpaTalk), with two references in R files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    from anndata import AnnData


def _starmap(folder: Path) -> AnnData:
    """The spatial table, with coordinates and cell types."""
    from stbench.data.recipes import labels, read_r, table

    counts = read_r(folder / "starmap_data.rda")["starmap_data"].T
    about = read_r(folder / "starmap_meta.rda")["starmap_meta"].set_index("cell").loc[counts.index]
    return table(
        counts.to_numpy(dtype=float),  # the integers come masked
        counts.index,
        counts.columns,
        obs={"cell_type": labels(about["celltype"])},
        spatial=about[["x", "y"]],
    )


@register("starmap_dot")
def load_with_dot(folder: Path) -> tuple[AnnData, AnnData]:
    """With the reference of DOT (saezlab/DOT), which repeats cells: the first of each barcode is kept."""
    import pandas as pd

    from stbench.data.recipes import labels, r_sparse, read_r, table

    reference = read_r(folder / "dot.sample.rda")["dot.sample"]["ref"]
    genes, barcodes = reference["counts"].Dimnames
    first = ~pd.Index(barcodes).duplicated()
    cells = table(
        r_sparse(reference["counts"])[first],
        pd.Index(barcodes)[first],
        genes,
        obs={"cell_type": labels(reference["labels"])[first]},
    )
    return cells, _starmap(folder)


@register("starmap_saver")
def load_with_saver(folder: Path) -> tuple[AnnData, AnnData]:
    """With the 200 cells of Zeisel et al. 2015 that come with SAVER (mohuangx/SAVER), without labels."""
    from stbench.data.recipes import read_r, table

    counts = read_r(folder / "linnarsson.rda")["linnarsson"]  # genes x cells
    genes, cells = (counts.coords[axis].to_numpy() for axis in counts.dims)
    return table(counts.to_numpy().T, cells, genes), _starmap(folder)
