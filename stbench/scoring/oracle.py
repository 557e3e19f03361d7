"""The control ``oracle``: how well the best linear combination of the visible maps predicts a hidden gene.

It sees the truth of one half of the spots, so that no method can be asked to reach it; it states how much of
a hidden gene is in the visible ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stbench.scoring.scores import score
from stbench.tables import dense

if TYPE_CHECKING:
    from anndata import AnnData

ORACLE = "oracle"  # name of the control
CUTS = 4  # 2**4 regions of the tissue
STRENGTHS = np.logspace(0, 6, 13)  # penalties, for standardised maps
MAX_TRAINED = 20_000  # spots; more do not change the answer


def oracle_scores(
    visible: AnnData, truth: pd.DataFrame, metrics: Iterable[str] | None = None
) -> pd.DataFrame | None:
    """Scores of ridge regressions from the visible maps to the true ones, genes x metrics.

    The tissue is cut into sixteen regions that belong to two halves in turn (`halves`), so that a spot is
    seldom predicted from its neighbours. A regression is trained on the spots of one half and scored on those
    of the other; the score is the mean of both ways. Each gene has its own penalty, the best of leave-one-out
    within the training half.

    Parameters
    ----------
    visible
        What methods see of the spatial table (`stbench.data.visible.visible_spatial`).
    truth
        Spots x hidden genes on the scale of ``X``, the spots of ``visible`` in its order.
    metrics
        Names of metrics, see `stbench.scoring.scores.score`.

    Returns
    -------
    None without coordinates, and where a half has fewer spots than there are visible genes: the regression
    would say more about the number of spots than about the genes.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if "spatial" not in visible.obsm or visible.n_obs // 2 < visible.n_vars:
        return None
    maps, true = dense(visible, visible.var_names), truth.to_numpy(dtype=float)
    coordinates = np.asarray(visible.obsm["spatial"], dtype=float)
    second, rng = halves(coordinates), np.random.default_rng(0)
    tables = []
    for trained, scored in ((second, ~second), (~second, second)):
        spots = np.flatnonzero(trained)
        if len(spots) > MAX_TRAINED:
            spots = np.sort(rng.choice(spots, MAX_TRAINED, replace=False))
        model = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS, alpha_per_target=True))
        model.fit(maps[spots], true[spots])
        predicted = model.predict(maps[scored]).reshape(-1, truth.shape[1])
        answer = pd.DataFrame(predicted, truth.index[scored], truth.columns)
        tables.append(score(truth[scored], answer, metrics, coordinates=coordinates[scored]))
    return pd.concat(tables).groupby(level=0, sort=False).mean()  # of one half where the other is constant


def halves(coordinates: np.ndarray, n_cuts: int = CUTS) -> np.ndarray:
    """Whether a spot belongs to the second half of a tissue, (n_spots,).

    The tissue is cut ``n_cuts`` times, each part into two of as many spots across its longer side. Parts
    that one of the last two cuts divides belong to different halves: a chessboard where the tissue is a
    square.
    """
    second = np.zeros(len(coordinates), dtype=bool)
    parts = [np.arange(len(coordinates))]
    for n_left in reversed(range(n_cuts)):
        cut = []
        for part in parts:
            longer = np.ptp(coordinates[part], axis=0).argmax() if len(part) else 0
            near, far = np.array_split(part[np.argsort(coordinates[part, longer], kind="stable")], 2)
            second[far] ^= n_left < 2
            cut += [near, far]
        parts = cut
    return second
