"""The h5ad files that come with stDiff (fdu-wangfeilab/stDiff): coordinates in columns of ``obs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    from anndata import AnnData


@register("stdiff_h5ad")
def load_stdiff(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference and space; the spots, which have numbers only, get names."""
    from stbench.data.recipes import table
    from stbench.files import read_h5ad

    cells, spots = read_h5ad(folder / "reference.h5ad"), read_h5ad(folder / "spatial.h5ad")
    names = [f"cell{name}" for name in spots.obs_names]
    return (
        table(cells.X, cells.obs_names, cells.var_names),
        table(spots.X, names, spots.var_names, spatial=spots.obs[["x_coord", "y_coord"]]),
    )
