"""The text layout of SpatialBenchmarking (Li et al. 2022) and of the Zenodo record of SpaDiT.

``scRNA_count.txt``: tab separated, genes in rows, cells in columns. ``Spatial_count.txt`` (or
``Insitu_count.txt``): tab separated, a header of gene names, then one line of values per spot.
``Locations.txt``: two or three columns of coordinates with a header; may be absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register
from stbench.errors import StbenchError

if TYPE_CHECKING:
    import pandas as pd
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
    reference = _table(folder / "scRNA_count.txt", index_col=0).T
    spatial_file = next(folder / name for name in SPATIAL_NAMES if (folder / name).is_file())
    spatial = _table(spatial_file)
    if not _numeric(spatial.iloc[:, 0]):  # some files name their spots in the first column
        spatial = spatial.set_index(spatial.columns[0])
    else:
        spatial.index = [f"spot{i}" for i in range(len(spatial))]
    result = _anndata(spatial, spatial_file)
    locations = folder / "Locations.txt"
    if locations.is_file():
        coordinates = _table(locations).select_dtypes("number")
        if len(coordinates) != result.n_obs:
            raise StbenchError(
                f"File '{locations}' has {len(coordinates)} spots, '{spatial_file}' {result.n_obs}."
            )
        result.obsm["spatial"] = coordinates.to_numpy(dtype="float32")
    return _anndata(reference, folder / "scRNA_count.txt"), result


def _table(file: Path, index_col: int | None = None) -> pd.DataFrame:
    import pandas as pd

    try:
        header = file.open().readline().rstrip("\n").split("\t")
        table = pd.read_csv(file, sep="\t", index_col=index_col)
    except (OSError, ValueError) as error:
        raise StbenchError(f"File '{file}' is not a tab separated table ({error}).") from error
    names = header if index_col is None else header[1:]
    if index_col is None and len(names) == table.shape[1]:
        table.columns = names  # undoes the renaming of repeated names, so that they can be reported
    return table


def _numeric(column: pd.Series) -> bool:
    return column.dtype.kind in "iufb"


def _anndata(table: pd.DataFrame, file: Path) -> AnnData:
    import anndata
    import pandas as pd
    from scipy import sparse

    try:
        values = sparse.csr_matrix(table.to_numpy(dtype="float32"))
    except (TypeError, ValueError) as error:
        raise StbenchError(f"File '{file}' holds something that is not a number ({error}).") from error
    names = table.index.astype(str), table.columns.astype(str)
    return anndata.AnnData(values, obs=pd.DataFrame(index=names[0]), var=pd.DataFrame(index=names[1]))
