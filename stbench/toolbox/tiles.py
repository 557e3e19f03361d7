"""Parts of large data: compact tiles of a tissue, and a task on some of them or on random cells or spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stbench.task import Task

BLOCK = 1024  # spots
TILES = 10  # in the part of a tissue that `part_of_tissue` takes


def tiles(task: Task, size: int, seed: int = 0) -> list[np.ndarray]:
    """Row numbers of the spots of each tile, at most ``size`` in one; every spot is in one tile.

    The tissue is halved across its longer side, at the median, until the parts are small enough. Without
    coordinates the spots are in a random order, which ``seed`` decides.
    """
    n_spots = task.spatial.n_obs
    if "spatial" not in task.spatial.obsm:
        order = np.random.default_rng(seed).permutation(n_spots)
        return [np.sort(rows) for rows in np.array_split(order, -(-n_spots // size))]
    places = task.coordinates()
    done, open_ = [], [np.arange(n_spots)]
    while open_:
        rows = open_.pop()
        if len(rows) <= size:
            done.append(np.sort(rows))
            continue
        longer = np.ptp(places[rows], axis=0).argmax()
        order = rows[np.argsort(places[rows, longer], kind="stable")]
        open_ += [order[: len(order) // 2], order[len(order) // 2 :]]
    return done


def part_of_tissue(task: Task, n_spots: int, seed: int) -> Task:
    """The task on at most ``n_spots`` spots: random tiles, or all of them."""
    if task.spatial.n_obs <= n_spots:
        return task
    found = tiles(task, max(1, n_spots // TILES), seed)
    order = np.random.default_rng(seed).permutation(len(found))
    sizes = np.cumsum([len(found[tile]) for tile in order])
    chosen = order[: max(1, np.searchsorted(sizes, n_spots, side="right"))]
    return on_spots(task, np.sort(np.concatenate([found[tile] for tile in chosen])))


def part_of_reference(task: Task, n_cells: int | None, seed: int) -> Task:
    """The task with at most ``n_cells`` random cells of the reference, or all of them (None)."""
    from stbench.task import Task

    rows = _random_rows(task.reference.n_obs, n_cells, seed)
    if rows is None:
        return task
    return Task(task.reference[rows].copy(), task.spatial, task.targets, task.units)


def random_spots(task: Task, n_spots: int | None, seed: int) -> Task:
    """The task on at most ``n_spots`` spots, drawn all over the tissue, or on all (None)."""
    rows = _random_rows(task.spatial.n_obs, n_spots, seed)
    return task if rows is None else on_spots(task, rows)


def _random_rows(n: int, size: int | None, seed: int) -> np.ndarray | None:
    """``size`` of the numbers below ``n`` in ascending order; None where these are all."""
    if size is None or size >= n:
        return None
    return np.sort(np.random.default_rng(seed).permutation(n)[:size])


def row_blocks(n: int) -> list[np.ndarray]:
    """The numbers below ``n`` in blocks of at most `BLOCK`, for what is computed spot by spot."""
    return [np.arange(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def on_spots(task: Task, rows: np.ndarray) -> Task:
    """The same task on the spots with these numbers, with the values as they are."""
    from anndata import AnnData

    from stbench.task import Task

    return Task(task.reference, AnnData(task.spatial)[rows].copy(), task.targets, task.units)
