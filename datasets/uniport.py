"""The tables of GSE111672 that come with uniPort (caokai1073/uniPort): text, tab separated, genes in rows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def _read(file: Path) -> tuple[list[str], pd.DataFrame]:
    """The header without its first field, and the values, genes x columns; of repeated genes the first."""
    import pandas as pd

    with gzip.open(file, "rt") as lines:  # lines may end in a carriage return, which this takes off
        header = lines.readline().rstrip("\n").split("\t")[1:]
    # the header repeats its names: a cell has its type for a name
    values = pd.read_csv(file, sep="\t", header=None, skiprows=1, index_col=0, na_filter=False)
    return header, values[~values.index.duplicated()]


@register("uniport")
def load_uniport(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference, with the cell types of its header, and space, with the grid positions of its header."""
    import numpy as np

    from stbench.data.recipes import labels, table

    types, cells = _read(folder / "reference.txt.gz")
    spots, counts = _read(folder / "spatial.txt.gz")
    names = [f"PDAC-A_cell{number}" for number in range(len(types))]
    positions = np.array([spot.split("x") for spot in spots], dtype=float)
    return (
        table(cells.T, names, cells.index, obs={"cell_type": labels(types)}),
        table(counts.T, spots, counts.index, spatial=positions),
    )
