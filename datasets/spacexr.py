"""The tables that come with spacexr (dmcable/spacexr, ``inst/extdata``): csv, counts with genes in rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def _csv(file: Path) -> pd.DataFrame:
    """A table with names in the first column; ``NA`` is a name like any other."""
    import pandas as pd

    return pd.read_csv(file, index_col=0, na_filter=False)


@register("spacexr")
def load_spacexr(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference and space from counts, labels, coordinates, and library sizes over all genes."""
    from stbench.data.recipes import labels, table

    counts = {side: _csv(folder / f"{side}_counts.csv").T for side in ("reference", "spatial")}
    obs = {}
    for side, values in counts.items():
        totals = _csv(folder / f"{side}_nUMI.csv").loc[values.index, "x"]
        obs[side] = {"n_umi_total": totals.to_numpy("int64")}
    cells, spots = counts["reference"], counts["spatial"]
    types = _csv(folder / "reference_cell_types.csv").loc[cells.index, "x"]
    coordinates = _csv(folder / "spatial_coords.csv").loc[spots.index, ["x", "y"]]
    return (
        table(cells, cells.index, cells.columns, obs={"cell_type": labels(types)} | obs["reference"]),
        table(spots, spots.index, spots.columns, obs=obs["spatial"], spatial=coordinates),
    )


@register("spacexr_vignette")
def load_vignette(folder: Path) -> tuple[AnnData, AnnData]:
    """The pair of the vignette: labels are the names of cluster numbers, and beads have no library size."""
    from stbench.data.recipes import labels, table

    cells, beads = _csv(folder / "reference_dge.csv").T, _csv(folder / "spatial_dge.csv").T
    about = _csv(folder / "reference_meta_data.csv").loc[cells.index]
    names = _csv(folder / "reference_cell_type_dict.csv")["Name"]
    obs = {
        "cell_type": labels(about["cluster"].map(names)),
        "n_umi_total": about["nUMI"].to_numpy("int64"),
    }
    coordinates = _csv(folder / "spatial_locations.csv").loc[beads.index, ["xcoord", "ycoord"]]
    return (
        table(cells, cells.index, cells.columns, obs=obs),
        table(beads, beads.index, beads.columns, spatial=coordinates),
    )
