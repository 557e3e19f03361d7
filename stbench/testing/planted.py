"""A small tissue with planted structure, and tasks on it, for the checks of the contract and for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.prepare import Pair, prepare
from stbench.data.split import make_splits
from stbench.data.visible import visible_spatial
from stbench.dataset import Card
from stbench.task import Task


def planted_pair(
    n_cells: int = 60, n_spots: int = 50, n_genes: int = 24, extra: int = 6, seed: int = 0
) -> tuple[AnnData, AnnData]:
    """Raw counts of a tissue with three smooth programs: a reference with ``extra`` more genes, and space."""
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


def planted_task(tables: tuple[AnnData, AnnData] | None = None) -> Task:
    """The task of the first split of two raw tables; by default those of `planted_pair`."""
    pair = prepared(tables or planted_pair())
    split, units = make_splits(pair.genes)[0], pair.card.units or "counts"
    return Task(pair.reference, visible_spatial(pair.spatial, split, units), list(split.test), units)


def degenerate_task(n_spots: int) -> Task:
    """A task of 40 cells and 12 genes with everything that is unusual but allowed.

    A visible gene is constant in the reference, another in space; a target is zero in the reference; a spot
    is empty; two spots are the same.
    """
    task = planted_task(planted_pair(n_cells=40, n_spots=n_spots, n_genes=12, extra=5))
    absent = task.reference.var_names.get_indexer([task.targets[0], task.visible[0]])

    def odd_cells(matrix: Any) -> sparse.csr_matrix:
        values = matrix.toarray()
        values[:, absent] = 0
        return sparse.csr_matrix(values)

    def odd_spots(matrix: Any) -> sparse.csr_matrix:
        values = matrix.toarray()
        values[:, 1] = values[3] = 0
        values[5] = values[4]
        return sparse.csr_matrix(values)

    reference, spatial = _changed(task.reference, odd_cells), _changed(task.spatial, odd_spots)
    spatial.obsm["spatial"] = odd_coordinates = task.spatial.obsm["spatial"].copy()
    odd_coordinates[5] = odd_coordinates[4]
    return Task(reference, spatial, task.targets)


def prepared(tables: tuple[AnnData, AnnData]) -> Pair:
    """The prepared pair of two raw tables; it keeps cells with few genes."""
    return prepare(*tables, Card("planted", min_genes=1))


def copied(task: Task, change: Callable[[Any], Any]) -> Task:
    """A copy of the task in which ``change`` is applied to every matrix."""
    reference, spatial = _changed(task.reference, change), _changed(task.spatial, change)
    return Task(reference, spatial, list(task.targets), task.units)


def _changed(table: AnnData, change: Callable[[Any], Any]) -> AnnData:
    other = AnnData(change(table.X), obs=table.obs.copy(), var=table.var.copy(), obsm=dict(table.obsm))
    for key, values in table.layers.items():
        other.layers[key] = change(values)
    return other
