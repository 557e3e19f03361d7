"""Whether spots fall into the same clusters and domains with predicted genes as with measured ones.

Both sides are clustered in the same way: z-scores of every gene, their leading principal components, k-means
from one seed. The adjusted Rand index (ARI) compares the two partitions: 1 where they are the same, 0 where
they agree by chance.
"""

from __future__ import annotations

import numpy as np

from stbench.metrics import register
from stbench.toolbox.components import leading_components
from stbench.toolbox.moran import spot_graph

from .pcc import standardise

N_CLUSTERS = 8
N_COMPONENTS = 20
N_STARTS = 10  # of k-means, of which the best counts
SEED = 0


@register("cluster_ari", best="high", bounds=(-0.5, 1), definition="1", over_genes=True)
def cluster_ari(truth: np.ndarray, prediction: np.ndarray) -> float:
    """ARI between the clusters of the predicted maps and those of the true maps, one number for all genes.

    Only the predicted genes count. Eight clusters, or as many as there are different spots. A constant
    column has z-score 0 and no weight; where all predictions are constant, all spots are one cluster and the
    ARI is 0.

    Source: Hubert and Arabie 1985, J. Classification, doi 10.1007/BF01908075.
    """
    return agreement(truth, prediction)


@register(
    "cluster_ari_added", best="high", bounds=(-0.5, 1), definition="1", needs_visible=True, over_genes=True
)  # fmt: skip
def cluster_ari_added(truth: np.ndarray, prediction: np.ndarray, visible: np.ndarray) -> float:
    """``cluster_ari`` with the true maps of the visible genes added on both sides.

    This is what a user does: cluster measured and imputed genes together. A constant prediction adds nothing,
    so the control ``mean`` is the score of the visible genes alone. A method below it does harm.

    Source: Hubert and Arabie 1985, J. Classification, doi 10.1007/BF01908075.
    """
    return agreement(np.hstack([visible, truth]), np.hstack([visible, prediction]))


@register(
    "domain_ari", best="high", bounds=(-0.5, 1), definition="1", needs_coords=True, needs_visible=True,
    over_genes=True,
)  # fmt: skip
def domain_ari(
    truth: np.ndarray, prediction: np.ndarray, coordinates: np.ndarray, visible: np.ndarray
) -> float:
    """``cluster_ari_added`` with spatial domains in the place of clusters, see `domains`."""
    true, predicted = np.hstack([visible, truth]), np.hstack([visible, prediction])
    return agreement(smoothed(true, coordinates), smoothed(predicted, coordinates))


def agreement(true: np.ndarray, predicted: np.ndarray) -> float:
    """ARI between the `clusters` of two tables of maps, (n_spots, n_genes)."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(clusters(true), clusters(predicted)))


def domains(maps: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """The spatial domain of every spot, (n_spots,): `clusters` of the z-scores after `smoothed`."""
    return clusters(smoothed(maps, coordinates))


def smoothed(maps: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """z-scores, each averaged over a spot and its six nearest others, (n_spots, n_genes)."""
    graph, z = spot_graph(coordinates), standardise(maps)
    return np.asarray((z + graph @ z) / (1 + np.asarray(graph.sum(axis=1))))


def clusters(maps: np.ndarray) -> np.ndarray:
    """The cluster of every spot by k-means, (n_spots,)."""
    from sklearn.cluster import KMeans

    z = standardise(maps)
    _, axes = leading_components(z.T @ z, N_COMPONENTS)
    scores = z @ axes
    n_clusters = min(N_CLUSTERS, len(np.unique(scores.round(9), axis=0)))
    return np.asarray(KMeans(n_clusters, n_init=N_STARTS, random_state=SEED).fit_predict(scores))
