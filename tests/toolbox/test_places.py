import numpy as np

from stbench.toolbox.places import neighbourhoods


def test_the_nearest_spots_and_the_spot_itself_without_those_that_are_far():
    places = np.random.default_rng(0).uniform(0, 10, (60, 2))
    places[0] = 50  # all its neighbours are far
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, 1:8]
    own = np.take_along_axis(distances, nearest, axis=1)
    low, high = np.quantile(own, (0.25, 0.75))
    expected = np.eye(60)
    for spot in range(60):
        for other, distance in zip(nearest[spot], own[spot], strict=True):
            expected[spot, other] = distance <= high + 1.5 * (high - low)
    found = neighbourhoods(places, 7).toarray()
    np.testing.assert_array_equal(found, expected)
    assert found[0].sum() == 1
    assert set(found.sum(axis=1)) > {1, 8}


def test_few_spots_and_spots_at_one_place():
    np.testing.assert_array_equal(neighbourhoods(np.zeros((1, 2)), 5).toarray(), [[1]])
    np.testing.assert_array_equal(neighbourhoods(np.array([[0.0, 0], [1, 0]]), 5).toarray(), np.ones((2, 2)))
    same = neighbourhoods(np.zeros((4, 2)), 2).toarray()
    assert (np.diag(same) == 1).all()
    assert ((same.sum(axis=1) >= 3) & (same.sum(axis=1) <= 4)).all()
