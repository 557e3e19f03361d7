"""A folder with ``sc.h5ad`` and ``st.h5ad``: raw values in ``X``, coordinates in ``obsm["spatial"]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    from anndata import AnnData


@register("pair", reads=lambda folder: (folder / "sc.h5ad").is_file() and (folder / "st.h5ad").is_file())
def load_pair(folder: Path) -> tuple[AnnData, AnnData]:
    """Reference (cells x genes) and spatial table (spots x genes), as in the two files."""
    from stbench.files import read_h5ad

    return read_h5ad(folder / "sc.h5ad"), read_h5ad(folder / "st.h5ad")
