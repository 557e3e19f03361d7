"""Shared fixtures: a small planted tissue as raw tables, as files, and the real data where it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

ROOT = Path(__file__).resolve().parent.parent


def planted_pair(
    n_cells: int = 60, n_spots: int = 50, n_genes: int = 24, extra: int = 6, seed: int = 0
) -> tuple[AnnData, AnnData]:
    """Raw counts of a tissue with three smooth programs: reference with ``extra`` more genes, and space."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(0, 0.8, (3, n_genes + extra))
    level = rng.normal(1.5, 0.3, n_genes + extra)
    coordinates = rng.uniform(0, 10, (n_spots, 2)).astype(np.float32)
    programs = np.sin(coordinates @ rng.normal(0, 0.5, (2, 3)))
    genes = [f"Gene{i:02d}" for i in range(n_genes + extra)]
    cells = rng.poisson(np.exp(level + rng.normal(0, 1, (n_cells, 3)) @ loadings)).astype(np.float32)
    spots = rng.poisson(np.exp(level + programs @ loadings))[:, :n_genes].astype(np.float32)
    reference = AnnData(
        sparse.csr_matrix(cells),
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical(rng.choice(["a", "b", "c"], n_cells))},
            index=[f"cell{i}" for i in range(n_cells)],
        ),
        var=pd.DataFrame(index=genes),
    )
    spatial = AnnData(
        sparse.csr_matrix(spots),
        obs=pd.DataFrame(index=[f"spot{i}" for i in range(n_spots)]),
        var=pd.DataFrame(index=genes[:n_genes]),
        obsm={"spatial": coordinates},
    )
    return reference, spatial


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., tuple[AnnData, AnnData]]:
    """The function that makes planted pairs."""
    return planted_pair


@pytest.fixture(scope="session")
def write_data() -> Callable[[Path], Path]:
    """A function that writes a ``--data`` folder with one dataset called ``planted``."""

    def write(parent: Path) -> Path:
        folder = parent / "data" / "planted"
        folder.mkdir(parents=True)
        reference, spatial = planted_pair()
        reference.write_h5ad(folder / "sc.h5ad")
        spatial.write_h5ad(folder / "st.h5ad")
        return folder.parent

    return write


@pytest.fixture
def data_folder(tmp_path: Path, write_data: Callable[[Path], Path]) -> Path:
    """A ``--data`` folder with one dataset called ``planted``."""
    return write_data(tmp_path)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the nine real pairs; skips where it is absent."""
    folder = Path(os.environ.get("STBENCH_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "merfish_hypothalamus" / "st.h5ad").is_file():
        pytest.skip("the real pairs are not here (set STBENCH_DATA to their folder)")
    return folder


@pytest.fixture(autouse=True)
def _no_data_from_outside(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tests see only the data they ask for."""
    if "real_data" not in request.fixturenames:
        monkeypatch.delenv("STBENCH_DATA", raising=False)
