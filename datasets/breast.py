"""Breast tumours: the reference of spacedeconv (omnideconv/spacedeconv) with two spatial tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    from anndata import AnnData

MIN_MOLECULES = 10  # of a Xenium cell
MIN_CELLS = 15  # that detect a gene of the Xenium reference, or the gene is in the panel


def _reference(folder: Path) -> AnnData:
    """The cells of CID4465 (Wu et al. 2021), a SingleCellExperiment."""
    from stbench.data.recipes import labels, r_sparse, read_r, table

    experiment = read_r(folder / "single_cell_data_2.RData")["single_cell_data_2"]
    about = experiment.colData.listData
    return table(
        r_sparse(experiment.assays.data.listData["counts"]),
        experiment.colData.rownames,
        experiment.rowRanges.partitioning.NAMES,
        obs={
            "cell_type": labels(about["celltype_major"]),
            "celltype_minor": labels(about["celltype_minor"]),
        },
    )


@register("her2st")
def load_her2st(folder: Path) -> tuple[AnnData, AnnData]:
    """With a section of Andersson et al. 2021 (almaan/her2st): the spots that its authors selected."""
    import pandas as pd

    from stbench.data.recipes import labels, table

    counts = pd.read_csv(folder / "counts.tsv.gz", sep="\t", index_col=0)
    spots = pd.read_csv(folder / "selection.tsv", sep="\t")
    spots.index = pd.Index([f"{x}x{y}" for x, y in zip(spots["x"], spots["y"], strict=True)])
    spots = spots.loc[counts.index]
    known = pd.read_csv(folder / "labels.tsv", sep="\t")
    places = dict(
        zip(zip(known["x"].round(3), known["y"].round(3), strict=True), known["label"], strict=True)
    )
    where = zip(spots["new_x"].round(3), spots["new_y"].round(3), strict=True)
    spatial = table(
        counts,
        counts.index,
        counts.columns,
        obs={"pathologist_label": labels([places[place] for place in where])},
        spatial=spots[["new_x", "new_y"]],
    )
    return _reference(folder), spatial


@register("xenium_idc")
def load_xenium(folder: Path) -> tuple[AnnData, AnnData]:
    """With a region of a Xenium slide (bhuvad/XeniumSpatialAnalysisWorkshop), a SpatialExperiment."""
    import numpy as np

    from stbench.data.recipes import labels, r_sparse, read_r, table

    experiment = read_r(folder / "idc.rda")["idc"]
    about = experiment.colData.listData
    genes = np.asarray(experiment.rowRanges.partitioning.NAMES, dtype=str)
    is_gene = np.asarray(experiment.rowRanges.elementMetadata.listData["genetype"]) == "Gene"
    counts = r_sparse(experiment.assays.data.listData["counts"])[:, is_gene]
    kept = np.asarray(counts.sum(axis=1)).ravel() >= MIN_MOLECULES
    names = [f"cell{name}" for name in np.asarray(about["cell_id"])[kept]]
    coordinates = np.asarray(experiment.int_colData.listData["spatialCoords"])
    spatial = table(
        counts[kept],
        names,
        genes[is_gene],
        obs={"pathology_region": labels(about["region"])[kept]},
        spatial=coordinates[kept],
    )

    cells = _reference(folder)
    totals = np.asarray(cells.X.sum(axis=1), dtype=np.float32).ravel()
    seen = np.asarray((cells.X > 0).sum(axis=0)).ravel() >= MIN_CELLS
    cells = cells[:, seen | cells.var_names.isin(spatial.var_names)].copy()
    cells.obs["n_umi_total"] = totals
    return cells, spatial
