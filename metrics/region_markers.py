"""Whether a prediction finds the genes that differ between the regions of a tissue."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register

from .clusters import domains

FALSE_DISCOVERIES = 0.05


@register(
    "region_markers", best="high", bounds=(0, 1), definition="1", needs_coords=True, needs_visible=True,
    over_genes=True,
)  # fmt: skip
def region_markers(
    truth: np.ndarray, prediction: np.ndarray, coordinates: np.ndarray, visible: np.ndarray
) -> float:
    """Whether the markers of regions are found, one number for all genes.

    The regions are the eight spatial domains of the visible genes (as in ``domain_ari``), which a user has
    without any prediction. Every pair of gene and region gets the statistic of Wilcoxon's rank-sum test of
    the region against all other spots, see `rank_sums`. In the truth, a pair is a marker where the region is
    higher at a false discovery rate of 5 % over all pairs (one-sided, Benjamini-Hochberg). The prediction
    ranks the pairs by the same statistic of its own values. The score is the probability that a marker ranks
    above a pair that is none, ties half: the area under the ROC curve, 0.5 by chance and for constant
    predictions. It is NaN where the truth has no marker, or nothing else.

    Source: Wilcoxon 1945, doi 10.2307/3001968; Benjamini and Hochberg 1995,
    doi 10.1111/j.2517-6161.1995.tb02031.x.
    """
    from scipy.stats import false_discovery_control, norm
    from sklearn.metrics import roc_auc_score

    regions = domains(visible, coordinates)
    p_values = norm.sf(rank_sums(truth, regions)).ravel()
    markers = false_discovery_control(p_values) < FALSE_DISCOVERIES
    if markers.all() or not markers.any():
        return float("nan")
    return float(roc_auc_score(markers, rank_sums(prediction, regions).ravel()))


def rank_sums(maps: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The z-statistic of the rank-sum test of every region against the other spots, (n_regions, n_genes).

    The normal approximation with the correction for ties, positive where the region is higher. It is 0 for a
    constant gene, and where there is only one region.
    """
    from scipy.stats import rankdata

    n_spots = len(maps)
    ranks = rankdata(maps, axis=0) - (n_spots + 1) / 2
    members = regions == np.unique(regions)[:, None]  # (n_regions, n_spots)
    inside = members.sum(axis=1, keepdims=True)
    drawn = inside * (n_spots - inside) / (n_spots * (n_spots - 1))  # without replacement
    sd = np.sqrt(drawn * np.square(ranks).sum(axis=0))
    return np.where(sd > 0, members @ ranks, 0) / np.where(sd > 0, sd, 1)
