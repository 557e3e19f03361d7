"""The status of every method on every dataset, from the statuses of its runs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from stbench.board.columns import CELL, COLUMN, ROW

FAILURES = ("invalid", "failed", "out_of_memory", "timeout", "unsupported", "skipped")  # worst first


def statuses(runs: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """One row per column and row of the board, see `stbench.board.board.Board.statuses`."""
    index = [*COLUMN, *ROW]
    n_cells = runs.drop_duplicates([*COLUMN, *CELL]).groupby(COLUMN).size().rename("n_cells")
    table = runs[ROW].drop_duplicates().merge(n_cells.reset_index(), how="cross")
    counts = runs.groupby([*index, "status"]).size().unstack()
    counts = counts.reindex(columns=["ok", *FAILURES]).reset_index()
    table = table.merge(counts, how="left", on=index).fillna(dict.fromkeys(["ok", *FAILURES], 0))
    table["status"] = [_status(row) for row in table.to_dict("records")]
    n_runs = table[["ok", *FAILURES]].sum(axis=1)
    table["failed"] = (n_runs == table["n_cells"]) & (table["ok"] < table["n_cells"])
    table["by_scorer"] = False
    table = table[[*index, "n_cells", "status", "failed", "by_scorer"]]
    return pd.concat([table, _scorer_controls(runs, scores)])


def _scorer_controls(runs: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Statuses of the controls that have scores and no runs: they need one score per split."""
    table = scores.drop_duplicates([*COLUMN, *ROW, "split"])
    with_runs = pd.MultiIndex.from_frame(runs[ROW].drop_duplicates())
    table = table[~pd.MultiIndex.from_frame(table[ROW]).isin(with_runs)]
    table = table.groupby([*COLUMN, *ROW]).size().rename("ok").reset_index()
    n_cells = runs.groupby(COLUMN)["split"].nunique().rename("n_cells")
    table = table.merge(n_cells.reset_index(), on=COLUMN)
    table["status"] = [_status(row) for row in table.to_dict("records")]
    return table.drop(columns="ok").assign(failed=False, by_scorer=True)


def _status(row: Mapping[str, float]) -> str:
    """The status of ``n_cells`` cells, from the number of ``ok`` ones and of each failure."""
    n_ok, n_cells = int(row["ok"]), int(row["n_cells"])
    if n_ok == n_cells:
        return "ok"
    for failure in FAILURES:
        if row.get(failure):
            return f"{failure} ({int(row[failure])} of {n_cells})"
    return f"partial ({n_ok} of {n_cells})" if n_ok else "not run"
