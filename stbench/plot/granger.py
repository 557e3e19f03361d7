"""Granger analysis of gene pairs (the CausalGeD paper's Fig. 1), compared with a null.

The test asks whether the past of one series helps to predict another. Cells of a scRNA-seq experiment have
no past: their order in the file is arbitrary. Along a pseudotime neighbours are similar by construction,
which makes p-values small. So every p-value is shown with those of the same pair under a null: a small
p-value alone is no evidence that one gene causes another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from stbench.plot.style import GREY, INK, PALETTE

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

Null = Literal["permuted", "shifted"]


def granger(
    values: pd.DataFrame,
    pairs: Iterable[tuple[str, str]],
    *,
    lag: int = 2,
    null: Null = "permuted",
    draws: int = 50,
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
    sc.pp.pca(cells, n_comps=min(n_pcs, *(size - 1 for size in cells.shape)), random_state=0)
    sc.pp.neighbors(cells, method="gauss", n_neighbors=min(15, cells.n_obs - 1), random_state=0)
    sc.tl.diffmap(cells, n_comps=min(10, cells.n_obs - 2), random_state=0)
    cells.uns["iroot"] = int(cells.obsm["X_diffmap"][:, 1].argmin())
    sc.tl.dpt(cells)
    return cells.obs["dpt_pseudotime"]


def granger_plot(tables: Mapping[str, pd.DataFrame], ax: Axes) -> Axes:
    """The axes with a line per pair: -log10 p under every order, and a bar for 95 % of its null.

    ``tables`` are results of `granger` for the same pairs, by the name of the order.
    """
    for i, (name, table) in enumerate(tables.items()):
        places = np.arange(len(table))[::-1] + 0.17 * (len(tables) - 1 - 2 * i)
        bars = -np.log10(table["null_low"])
        low = "lower 95 % of its null" if i == 0 else None
        ax.barh(places, bars, height=0.28, color=GREY, alpha=0.35, label=low)
        heights = -np.log10(table["p"].clip(lower=1e-300))
        ax.scatter(heights, places, s=14, color=PALETTE[i], label=name, zorder=3)
    first = next(iter(tables.values()))
    names = [f"{row.cause} → {row.effect}" for row in first.itertuples(index=False)]
    ax.set_yticks(np.arange(len(names))[::-1], names)
    ax.axvline(-np.log10(0.05), color=INK, linewidth=0.6, linestyle=":")
    ax.set_xlabel("-log10 p of the Granger F-test (dotted: p = 0.05)")
    ax.legend(loc="lower right")
    return ax
