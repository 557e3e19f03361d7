"""The Drosophila embryo of the DREAM challenge (dream-sctc/Data), with positions from DistMap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    from anndata import AnnData


@register("bdtnp")
def load_bdtnp(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference, named by the list of cells, and the expression atlas at 3,039 positions.

    ``obsm["spatial"]`` is (x, z), anterior to posterior and dorsal to ventral; ``obsm["spatial3d"]`` is
    (x, y, z).
    """
    import numpy as np
    import pandas as pd

    from stbench.data.recipes import table

    # genes are called "na" and "nan"
    cells = pd.read_csv(folder / "dge_raw.txt.gz", sep="\t", header=None, index_col=0, na_filter=False)
    names = pd.read_csv(folder / "cell_ids.csv")["cell"]
    atlas = pd.read_csv(folder / "bdtnp.txt.gz", sep="\t")
    geometry = pd.read_csv(folder / "geometry.txt", sep=" ")
    positions = [f"loc{number}" for number in range(len(atlas))]
    spatial = table(atlas, positions, atlas.columns, spatial=geometry[["x", "z"]])
    spatial.obsm["spatial3d"] = geometry[["x", "y", "z"]].to_numpy(np.float32)
    return table(cells.T, names, cells.index), spatial
