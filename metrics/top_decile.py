"""Whether a prediction finds the spots with the highest expression of a gene."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register

SHARE = 0.1  # of the spots


@register("top_decile", best="high", bounds=(0, 1), definition="1")
def top_decile(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve for the top tenth of the spots, per gene, (n_genes,).

    The spots to find are those with at least the n-th largest true value, n a tenth of the spots, rounded up;
    ties at that value are all found. Where that value is the smallest, the spots above it: a gene in 3 % of
    the spots has these as its top. The prediction ranks the spots; the area is the average precision of
    scikit-learn, in which spots of equal prediction count together. A constant prediction scores the share of
    the spots to find, which is the level of chance (0.1 without ties). A gene that is constant in the truth
    has no spots to find and scores 0.

    Source: Davis and Goadrich 2006, ICML, doi 10.1145/1143844.1143874.
    """
    from sklearn.metrics import average_precision_score  # takes a second to import

    truth = np.asarray(truth, dtype=float)
    least = np.sort(truth, axis=0)[-int(np.ceil(SHARE * len(truth)))]
    top = (truth >= least) & (truth > truth.min(axis=0))
    found = np.zeros(truth.shape[1])
    for gene in np.flatnonzero(top.any(axis=0)):
        found[gene] = average_precision_score(top[:, gene], prediction[:, gene])
    return found
