import numpy as np

from stbench.toolbox.components import leading_components


def test_equals_the_singular_vectors_largest_first():
    values = np.random.default_rng(0).normal(size=(40, 6))
    variances, axes = leading_components(values.T @ values, 3)
    _, singular, vectors = np.linalg.svd(values)
    np.testing.assert_allclose(variances, singular[:3] ** 2)
    np.testing.assert_allclose(np.abs(axes), np.abs(vectors[:3].T))
    assert leading_components(values.T @ values, 99)[1].shape == (6, 6)
