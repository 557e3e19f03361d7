"""The Granger figure, from the scRNA reference of a dataset."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stbench.board.board import Board
from stbench.board.columns import column_name
from stbench.errors import StbenchError
from stbench.plot import granger, granger_plot, pseudotime
from stbench.tables import frame

from .drawn import Drawn, file_name

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)

N_GENES = 4  # twelve ordered pairs
MAX_CELLS = 500


def reference_figures(board: Board) -> Iterator[Drawn]:
    """The Granger analysis of the first dataset with a reference; a warning if none has one."""
    if board.archive is None:
        return
    reason = ""
    for column in board.columns:
        try:
            reference = board.archive.reference(column)
        except StbenchError as error:
            reason = str(error)
            continue
        panel = [gene for gene in board.archive.truth(column).var_names if gene in reference.var_names]
        yield _granger(column_name(*column), reference[:MAX_CELLS].copy(), panel)
        return
    log.warning("Left out: the Granger figure. %s", reason)


def _granger(title: str, cells: AnnData, panel: list[str]) -> Drawn:
    """Pairs of the panel's most variable genes, in the order of the file and along diffusion pseudotime."""
    values = frame(cells, panel)
    genes = values.var().nlargest(N_GENES).index
    pairs = list(permutations(genes, 2))
    time = pseudotime(cells)
    along = time[np.isfinite(time)].sort_values(kind="stable").index
    tables = {
        "order of the file (null: cells shuffled)": granger(values, pairs),
        "diffusion pseudotime (null: cause shifted)": granger(values.loc[along], pairs, null="shifted"),
    }
    shares = [
        f"{name.split(' (')[0]}: {(table['p'] < 0.05).sum()} of {len(table)} pairs have p < 0.05, "
        f"{(table['p_null'] < 0.05).sum()} also under the null"
        for name, table in tables.items()
    ]
    return Drawn(
        file_name("granger", title),
        f"{title}: Granger tests (lag 2) between the {len(genes)} most variable genes of the panel in the "
        f"scRNA reference, n = {len(values)} cells. Cells of one experiment have no order in time, and along "
        "a pseudotime neighbours are similar by construction, so a small p-value does not show that one gene "
        "causes another. Grey bars: 95 % of draws without an order (50 per pair); only dots beyond their bar "
        f"are evidence of more. {'; '.join(shares)}.",
        _draw,
        (tables,),
    )


def _draw(tables: dict[str, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(6, 0.32 * max(map(len, tables.values())) + 1), layout="constrained")
    granger_plot(tables, figure.subplots())
    return figure
