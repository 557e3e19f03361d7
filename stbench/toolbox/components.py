"""Principal components by eigenvectors, which need no seed."""

from __future__ import annotations

import numpy as np


def leading_components(products: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (at most n,) and eigenvectors (size, at most n), largest first, of a symmetric matrix."""
    variances, axes = np.linalg.eigh(products)
    return variances[::-1][:n], axes[:, ::-1][:, :n]
