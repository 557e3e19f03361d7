"""Granger analysis of gene pairs (the CausalGeD paper's Fig. 1), compared with a null.

The test asks whether the past of one series helps to predict another. Cells of a scRNA-seq experiment have
no past: their order in the file is arbitrary. Along a pseudotime neighbours are similar by construction,
which makes p-values small. So every p-value is shown with those of the same pair under a null: a small
p-value alone is no evidence that one gene causes another.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from stbench.tables import frame

if TYPE_CHECKING:
    from anndata import AnnData

N_GENES = 4  # twelve ordered pairs
MAX_CELLS = 500
DRAWS = 50
ORDERS = "order of the file (null: cells shuffled)", "diffusion pseudotime (null: cause shifted)"

Null = Literal["permuted", "shifted"]


def granger_tables(reference: AnnData, genes: Iterable[str]) -> dict[str, pd.DataFrame]:
    """`granger` between the `N_GENES` most variable of ``genes``, by `ORDERS`; first `MAX_CELLS` cells."""
    cells = reference[:MAX_CELLS].copy()
    values = frame(cells, genes)
    pairs = list(permutations(values.var().nlargest(N_GENES).index, 2))
    time = pseudotime(cells)
    along = time[np.isfinite(time)].sort_values(kind="stable").index
    tables = granger(values, pairs), granger(values.loc[along], pairs, null="shifted")
    return dict(zip(ORDERS, tables, strict=True))


def granger(
    values: pd.DataFrame,
    pairs: Iterable[tuple[str, str]],
    *,
    lag: int = 2,
    null: Null = "permuted",
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per pair: ``cause``, ``effect``, ``p`` of the F-test, ``p_null`` and ``null_low``.

    ``p_null`` is the share of draws under the null whose p-value is no larger (one draw is added, so it is
    never 0). ``null_low`` is the 5 % quantile of the draws: a larger p is no evidence.

    Parameters
    ----------
    values
        Cells x genes, in the order to be tested.
    pairs
        (cause, effect).
    lag
        Number of earlier cells in the test.
    null
        ``permuted``: the cells are shuffled, both genes alike, which removes the order. ``shifted``: the
        cause is moved along the order by a random number of cells; both genes remain as smooth as before.
    draws
        Number of draws under the null, per pair.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for cause, effect in pairs:
        series = values[[effect, cause]].to_numpy(dtype=float)
        p = _p_value(series, lag)
        drawn = np.array([_p_value(_without_order(series, null, rng), lag) for _ in range(draws)])
        p_null = (1 + (drawn <= p).sum()) / (1 + draws)
        rows.append((cause, effect, p, p_null, np.quantile(drawn, 0.05)))
    return pd.DataFrame(rows, columns=["cause", "effect", "p", "p_null", "null_low"])


def _without_order(series: np.ndarray, null: Null, rng: np.random.Generator) -> np.ndarray:
    if null == "permuted":
        return series[rng.permutation(len(series))]
    shift = rng.integers(len(series) // 10, len(series) - len(series) // 10)
    return np.column_stack([series[:, 0], np.roll(series[:, 1], shift)])


def _p_value(series: np.ndarray, lag: int) -> float:
    """p of the F-test that the second column does not help to predict the first."""
    from statsmodels.tsa.stattools import grangercausalitytests

    tests, _ = grangercausalitytests(series, [lag])[lag]
    return float(tests["ssr_ftest"][1])


def pseudotime(reference: AnnData, *, n_pcs: int = 20) -> pd.Series:
    """Diffusion pseudotime by cell (Haghverdi 2016, ``scanpy.tl.dpt``); infinite without a path to the root.

    The root is the cell at one end of the first diffusion component. Its sign is arbitrary, and so is the
    direction of time.
    """
    import scanpy as sc

    cells = reference.copy()
    n_comps = min(n_pcs, *(size - 1 for size in cells.shape))
    sc.pp.pca(cells, n_comps=n_comps, mask_var=None, random_state=0)
    sc.pp.neighbors(cells, method="gauss", n_neighbors=min(15, cells.n_obs - 1), random_state=0)
    sc.tl.diffmap(cells, n_comps=min(10, cells.n_obs - 2), random_state=0)
    cells.uns["iroot"] = int(cells.obsm["X_diffmap"][:, 1].argmin())
    sc.tl.dpt(cells)
    return cells.obs["dpt_pseudotime"]
