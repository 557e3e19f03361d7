import numpy as np

from stbench.toolbox.neighbours import cosine_weights, equal_weights, spage_weights


def test_spage_weights_by_hand():
    distances = np.array([[0.2, 0.6, 1.2], [0.5, 1.0, 1.0], [1.0, 1.1, 1.5], [0.0, 0.0, 2.0]])
    neighbors = np.array([[2, 0, 1], [1, 0, 2], [0, 1, 2], [0, 2, 1]])
    expected = [
        [0.25, 0, 0.75],  # 1 - 0.2 / 0.8 and 1 - 0.6 / 0.8, over K - 1 = 1; the third is too far
        [0, 1, 0],  # a single neighbour
        [0, 0, 0],  # none
        [0.5, 0, 0.5],  # two at distance 0
    ]
    np.testing.assert_allclose(spage_weights(distances, neighbors, 3).toarray(), expected)


def test_cosine_weights_of_rays_and_of_an_empty_spot():
    cells = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    spots = np.array([[1.0, 1.0], [5.0, 0.0], [0.0, 0.0]])
    expected = [[0.5, 0.5, 0], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(cosine_weights(cells, spots, 50).toarray(), expected, atol=1e-12)


def test_equal_weights_of_the_nearest():
    cells = np.array([[0.0], [1.0], [5.0]])
    np.testing.assert_array_equal(
        equal_weights(cells, np.array([[0.4], [4.0]]), 2).toarray(), [[0.5, 0.5, 0], [0, 0.5, 0.5]]
    )
    np.testing.assert_allclose(equal_weights(cells, np.array([[0.4]]), 9).toarray(), [[1 / 3] * 3])
