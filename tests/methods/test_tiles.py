"""Tiles of a large tissue."""

import numpy as np
import pytest

from stbench.toolbox.tiles import (
    BLOCK,
    on_spots,
    part_of_reference,
    part_of_tissue,
    random_spots,
    row_blocks,
    tiles,
)


@pytest.mark.parametrize("places", [True, False])
def test_every_spot_is_in_one_tile_of_the_size(make_task, places):
    task, _ = make_task(n_spots=101)
    if not places:
        del task.spatial.obsm["spatial"]
    found = tiles(task, 20, seed=1)
    assert max(map(len, found)) <= 20
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(101))


def test_tiles_are_compact(make_task):
    task, _ = make_task(n_spots=400)
    places = task.coordinates()
    spread = np.mean([np.ptp(places[rows], axis=0).max() for rows in tiles(task, 25)])
    assert spread < 0.5 * np.ptp(places, axis=0).max()


def test_a_part_holds_whole_tiles_with_the_values_as_they_are(make_task):
    task, _ = make_task(n_spots=300)
    part = part_of_tissue(task, 120, seed=0)
    assert 60 < part.spatial.n_obs <= 120
    rows = task.spatial.obs_names.get_indexer(part.spatial.obs_names)
    np.testing.assert_array_equal(part.spatial.X.toarray(), task.spatial.X.toarray()[rows])
    assert {len(set(rows) & set(tile)) / len(tile) for tile in tiles(task, 12)} == {0.0, 1.0}
    assert part_of_tissue(task, 120, seed=1).spatial.obs_names.tolist() != part.spatial.obs_names.tolist()
    assert part_of_tissue(task, 300, seed=0) is task
    few = part_of_reference(task, 20, seed=0)
    assert few.reference.n_obs == 20
    assert set(few.reference.obs_names) < set(task.reference.obs_names)
    assert part_of_reference(task, 90, seed=0) is task
    assert on_spots(task, np.array([3, 5])).targets == task.targets


def test_random_spots_are_drawn_once_each_in_order(make_task):
    task, _ = make_task(n_spots=50)
    names = random_spots(task, 20, seed=3).spatial.obs_names
    rows = task.spatial.obs_names.get_indexer(names)
    assert len(rows) == 20
    assert (np.diff(rows) > 0).all()
    assert not random_spots(task, 20, seed=4).spatial.obs_names.equals(names)
    assert random_spots(task, 50, seed=3) is random_spots(task, None, seed=3) is task


@pytest.mark.parametrize("n", [1, BLOCK, 2 * BLOCK + 1])
def test_blocks_hold_every_row_once(n):
    blocks = row_blocks(n)
    np.testing.assert_array_equal(np.concatenate(blocks), np.arange(n))
    assert max(map(len, blocks)) <= BLOCK
