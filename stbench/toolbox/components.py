"""Principal components by eigenvectors, without a seed."""

from __future__ import annotations

import numpy as np


def leading_components(products: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (at most n,) and eigenvectors (size, at most n) of ``products``, largest first.

    ``products`` is symmetric, (size, size): the inner products or the covariance of the columns of a table.
    """
    variances, axes = np.linalg.eigh(products)
    return variances[::-1][:n], axes[:, ::-1][:, :n]
