"""Genes as shares of their maximum, and the maximum expected of a target."""

import numpy as np
from anndata import AnnData

from stbench.maxima import by_maximum, target_maxima
from stbench.task import Task


def test_columns_are_divided_by_their_maximum():
    values = np.array([[0.0, 2.0, 0.0], [1.0, 8.0, 0.0]])
    np.testing.assert_array_equal(by_maximum(values), [[0, 0.25, 0], [1, 1, 0]])


def test_target_maxima_lie_on_the_line_of_the_visible_genes():
    """Maxima in space are the square root of three times those in the reference, except where nothing is."""
    reference = np.array([[1.0, 4.0, 9.0, 2.0, 100.0, 0.0], [0.0] * 6])
    spatial = np.sqrt(3 * reference[:, :3])
    genes = list("abcdef")
    tables = AnnData(reference), AnnData(spatial)
    tables[0].var_names, tables[1].var_names = genes, genes[:3]
    expected = [np.sqrt(6), np.sqrt(27), np.sqrt(3)]  # on the line; above all visible ones; below them
    np.testing.assert_allclose(target_maxima(Task(*tables, genes[3:])), expected, rtol=2e-3)
