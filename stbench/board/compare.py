"""Two methods of a board, or two boards, compared gene by gene."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import COLUMN, ROW
from stbench.board.statistics import N_RESAMPLES, paired_wilcoxon, quantiles, resampled_means
from stbench.board.submitted import SUBMITTED
from stbench.errors import StbenchError, unknown_name

Row = tuple[str, str, str]
ALL = "all datasets"


def row_called(board: Board, name: str) -> Row:
    """The row with this name in tables (``tangram [cpu]``), or the only one of the method called so.

    Raises `StbenchError` where there is none or more than one.
    """
    names = {shown: row for row, shown in board.names.items()}
    if name in names:
        return names[name]
    found = [row for row in names.values() if row[0] == name]
    if len(found) > 1:
        shown = ", ".join(f"'{board.names[row]}'" for row in found)
        raise StbenchError(f"The board has several rows of '{name}': {shown}. Give one of these names.")
    if not found:
        raise unknown_name("method of the board", name, names)
    return found[0]


def compare_methods(board: Board, first: Row, second: Row, metric: str | None = None) -> pd.DataFrame:
    """``first`` minus ``second`` on every dataset where both are ok, then over these datasets.

    One line per dataset: the means of both, ``difference`` with its 95 % interval ``low`` to ``high`` (as in
    `stbench.board.statistics.bootstrap_intervals`), ``p`` of Wilcoxon's signed-rank test, and ``genes``.
    Raises `StbenchError` where the rows share no dataset, and where one was run elsewhere unless the board
    includes such rows.
    """
    for row in (first, second):
        if row[1] == SUBMITTED and SUBMITTED in board.outside:
            raise StbenchError(f"'{row[0]}' was run elsewhere: add --include-submitted to compare it.")
    metric = metric or board.headline
    rng = np.random.default_rng(0)
    lines, resampled = {}, []
    for column in board.columns:
        genes = board.gene_table(*column, metric)
        if first not in genes.columns or second not in genes.columns:
            continue
        genes = genes[[first, second]].dropna()
        gap = (genes[first] - genes[second]).to_frame()
        draws = resampled_means(
            gap, board.tested.loc[column].loc[genes.index], n_resamples=N_RESAMPLES, rng=rng
        )
        resampled.append(draws)
        p_value = paired_wilcoxon(genes)["p_value"].iloc[0]
        lines[board.column_names[column]] = _line(
            genes[first].mean(), genes[second].mean(), draws, len(genes), p_value
        )
    if not lines:
        raise StbenchError(
            f"'{board.names[first]}' and '{board.names[second]}' are ok on no dataset together."
        )
    table = pd.DataFrame(lines).T
    if len(lines) > 1:
        means = table[["first", "second"]].mean()
        table.loc[ALL] = _line(
            means.iloc[0], means.iloc[1], np.mean(resampled, axis=0), table["genes"].sum(), np.nan
        )
    return table


def compare_boards(first: Board, second: Board) -> pd.DataFrame:
    """``first`` minus ``second`` for every row of both, over the genes and datasets that both have.

    Columns as in `compare_methods`, without the test; one line per row that competes on ``first``. Raises
    `StbenchError` where the boards share nothing.
    """
    metric = first.headline
    keys = [*COLUMN, *ROW, "gene"]
    scores = [b.gene_scores[b.gene_scores["metric"] == metric][[*keys, "value"]] for b in (first, second)]
    both = scores[0].merge(scores[1], on=keys, suffixes=("_first", "_second")).dropna()
    both = both[~both["kind"].isin(first.outside)]
    rng = np.random.default_rng(0)
    lines = {}
    for row, own in both.groupby(ROW):
        resampled, means = [], []
        for column, genes in own.groupby(COLUMN):
            genes = genes.set_index("gene")
            gap = (genes["value_first"] - genes["value_second"]).to_frame()
            rotations = first.tested.loc[column].loc[genes.index]
            resampled.append(resampled_means(gap, rotations, n_resamples=N_RESAMPLES, rng=rng))
            means.append(genes[["value_first", "value_second"]].mean())
        values = pd.concat(means, axis=1).mean(axis=1)
        name = first.names.get(row, row[0])
        lines[name] = _line(values.iloc[0], values.iloc[1], np.mean(resampled, axis=0), len(own), np.nan)
    if not lines:
        raise StbenchError("The two boards have no dataset and method in common.")
    return pd.DataFrame(lines).T.drop(columns="p")


def _line(first: float, second: float, draws: np.ndarray, n_genes: int, p_value: float) -> dict[str, float]:
    low, high = quantiles(draws)[0]
    return {
        "first": first,
        "second": second,
        "difference": first - second,
        "low": low,
        "high": high,
        "p": p_value,
        "genes": n_genes,
    }
