"""Reads matrices in Market Exchange format as Cell Ranger 2 and 3, STARsolo and GEO have them."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.errors import StbenchError, first_line

FEATURES = ("features.tsv", "genes.tsv")
BARCODES = ("barcodes.tsv",)
COLUMNS = ("gene_ids", "name", "feature_types", "genome")


def matrix_file(path: Path) -> Path | None:
    """The one matrix of a folder, or ``path`` itself where it is one; None for something else.

    Raises `StbenchError` for a folder with more than one.
    """
    if path.is_file():
        return path if _is_matrix(path) else None
    found = [file for file in sorted(path.glob("*")) if file.is_file() and _is_matrix(file)]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise StbenchError(f"Folder '{path}' has more than one matrix: {names}. Give one of these files.")
    return found[0] if found else None


def read_mex(matrix: Path) -> AnnData:
    """The table of ``matrix`` and of the names of features and barcodes beside it, cells x features.

    The names of genes are the second column of the features where there is one; the first one is then
    ``var["gene_ids"]`` and the third one ``var["feature_types"]``. Raises `StbenchError` for files that are
    missing or do not fit.
    """
    from scipy.io import mmread

    start = matrix.name[: matrix.name.index("matrix.mtx")]
    features, barcodes = (_beside(matrix, start, names) for names in (FEATURES, BARCODES))
    try:
        with gzip.open(matrix) if matrix.suffix == ".gz" else matrix.open("rb") as content:
            values = sparse.csr_matrix(mmread(content).T)
        genes = pd.read_csv(features, sep="\t", header=None, dtype=str, keep_default_na=False)
        cells = pd.read_csv(barcodes, sep="\t", header=None, dtype=str, keep_default_na=False)
    except (OSError, ValueError, EOFError) as error:
        raise StbenchError(f"'{matrix}' cannot be read ({first_line(error)}).") from error
    if values.shape != (len(cells), len(genes)):
        raise StbenchError(
            f"'{matrix}' has {values.shape[1]} features and {values.shape[0]} cells, '{features.name}' names "
            f"{len(genes)} and '{barcodes.name}' {len(cells)}."
        )
    genes = genes.iloc[:, : len(COLUMNS)]
    genes.columns = COLUMNS[: genes.shape[1]]
    names = genes.pop("name") if "name" in genes else genes.pop("gene_ids")
    return AnnData(values, obs=pd.DataFrame(index=list(cells[0])), var=genes.set_axis(list(names)))


def _is_matrix(file: Path) -> bool:
    return file.name.endswith(("matrix.mtx", "matrix.mtx.gz"))


def _beside(matrix: Path, start: str, names: Sequence[str]) -> Path:
    """The file beside the matrix with one of the names, after the same ``start``, perhaps compressed."""
    wanted = [f"{start}{name}{end}" for name in names for end in ("", ".gz")]
    for name in wanted:
        if (matrix.parent / name).is_file():
            return matrix.parent / name
    raise StbenchError(f"Beside '{matrix}' is none of {', '.join(wanted)}.")
