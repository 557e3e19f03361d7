"""Spearman rank correlation per gene."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register

from .pcc import pcc


@register("spearman", best="high", bounds=(-1, 1), definition="1", column=5)
def spearman(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Pearson correlation of the ranks over the spots, per gene, (n_genes,).

    Equal values share their average rank: in sparse data all zeros are one tie. A column that is constant on
    either side has correlation 0.

    Source: Spearman 1904, doi 10.2307/1412159.
    """
    from pandas import DataFrame

    return pcc(DataFrame(truth).rank().to_numpy(), DataFrame(prediction).rank().to_numpy())
