"""The numbers of the page: the rows, columns, metrics and cells of its tables and plots."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stbench.board.board import SHARES, Board
from stbench.board.columns import COLUMN, COST, ROW, column_name, keys_of
from stbench.board.comparisons import name_pairs, over_datasets, overall, paired_tests, win_table
from stbench.board.statistics import DIGITS
from stbench.board.submitted import SUBMITTED
from stbench.board.tables import direction
from stbench.plot.style import styles

CELL = ["mean", "sd", "low", "high", *SHARES, "n_genes", "n_splits", "n_seeds", "status", "place", "n_places"]

MORAN = "moran_difference"  # beside the headline: a map may correlate and be too smooth

SHAPES = {  # the marker of a method as an SVG path in a box from -5 to 5, by the symbol of its style
    "circle": "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
    "square": "M-4,-4H4V4H-4Z",
    "triangle-up": "M0,-5L4.5,4H-4.5Z",
    "triangle-down": "M0,5L4.5,-4H-4.5Z",
    "diamond": "M0,-5L5,0L0,5L-5,0Z",
    "x": "M-4,-2.5L-2.5,-4L0,-1.5L2.5,-4L4,-2.5L1.5,0L4,2.5L2.5,4L0,1.5L-2.5,4L-4,2.5L-1.5,0Z",
    "cross": "M-1.5,-4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z",
    "star": "M0,-5L1.2,-1.6H4.8L1.9,0.5L3,4L0,1.9L-3,4L-1.9,0.5L-4.8,-1.6H-1.2Z",
    "line-ew": "M-5,-1H5V1H-5Z",
}


def content(board: Board) -> dict[str, Any]:
    """All numbers of the page, ready for JSON (None for a missing one); none of them is rounded.

    ``columns`` (datasets), ``rows`` (methods, best first), ``metrics``, ``primary`` (names of those in the
    rank), ``cells`` by metric, row and column (fields `CELL`), ``headline`` (its name), ``outside`` (kinds
    that do not compete), ``shares`` (controls by field), ``comparisons``, ``facts``, ``shapes`` (`SHAPES`).
    """
    scored = set(board.scores["metric"])
    best = {name: board.metrics[name].best for name in board.metric_order if name in scored}
    return {
        "columns": _columns(board),
        "rows": _rows(board),
        "metrics": [{"name": name, "best": b, "direction": direction(b)} for name, b in best.items()],
        "primary": board.primary,
        "cells": _cells(board),
        "fields": CELL,
        "outside": board.outside,
        "shares": SHARES,
        "headline": board.headline,
        "comparisons": _comparisons(board),
        "facts": _facts(board),
        "shapes": SHAPES,
    }


def _rows(board: Board) -> list[dict[str, Any]]:
    """The rows in the order of the ranks, with the columns of the first table."""
    ranks = board.ranks()
    names = board.names_of(ranks)
    looks = styles(names)
    families = pd.concat([board.runs, board.scores]).groupby(ROW)["family"].first()
    ok = board.runs[board.runs["status"] == "ok"]
    cost = ok.astype(dict.fromkeys(COST, float)).groupby(ROW)[COST].median()
    table = ranks.merge(families.reset_index(), how="left", on=ROW).merge(cost, how="left", on=ROW)
    table["place"] = table["AS"].rank(ascending=False, method="min")
    table = table.join(overall(board)[["low", "high", "group"]], on=ROW)
    summary = board.summary()
    moran = summary[(summary["metric"] == MORAN) & (summary["status"] == "ok")].groupby(ROW)["mean"]
    everywhere = moran.mean().where(moran.size() == len(board.columns))
    table = table.join(everywhere.rename("moran"), on=ROW)
    colours, symbols = [looks[name].colour for name in names], [looks[name].symbol for name in names]
    return _records(table.assign(name=names, colour=colours, symbol=symbols))


def _columns(board: Board) -> list[dict[str, Any]]:
    """The datasets, with the values of their filters."""
    columns = []
    for dataset, limit in board.columns:
        card = board.archive.dataset((dataset, limit))["card"] if board.archive else {}
        columns.append(
            {
                "dataset": dataset,
                "limit": limit,
                "label": column_name(dataset, limit),
                "short": board.column_names[dataset, limit],
                "tissue": card.get("tissue") or "not stated",
                "technology": card.get("spatial_platform") or "not stated",
            }
        )
    return columns


def _cells(board: Board) -> dict[str, list[list[Any]]]:
    """By metric a list of cells: the index of the row, the index of the column, then the fields `CELL`."""
    keys = [*COLUMN, *ROW, "metric"]
    table = board.bootstrap_means.merge(board.summary()[[*keys, *SHARES]], on=keys).join(_places(board))
    rows = {row: i for i, row in enumerate(keys_of(board.ranks(), ROW))}
    columns = {column: i for i, column in enumerate(board.columns)}
    cells: dict[str, list[list[Any]]] = {}
    places = zip(keys_of(table, ROW), keys_of(table, COLUMN), _records(table), strict=True)
    for row, column, cell in places:
        found = [cell[key] for key in CELL]
        cells.setdefault(cell["metric"], []).append([rows[row], columns[column], *found])
    return cells


def _places(board: Board) -> pd.DataFrame:
    """``place`` of every row of `Board.bootstrap_means` among the methods that are ok there, and how many."""
    table = board.bootstrap_means
    best = table["metric"].map(lambda name: board.metrics[name].best)
    compete = (table["status"] == "ok") & ~table["kind"].isin(board.outside) & (best != "level")
    values = table["mean"].round(DIGITS).where(best == "low", -table["mean"].round(DIGITS)).where(compete)
    groups = values.groupby([table[key] for key in (*COLUMN, "metric")])
    return pd.DataFrame({"place": groups.rank(method="min"), "n_places": groups.transform("count")})


def _comparisons(board: Board) -> dict[str, Any]:
    """Tests between methods: over datasets, pairs within a dataset, and win rates."""
    wins, pairs = (name_pairs(board, table) for table in (win_table(board), paired_tests(board)))
    test = over_datasets(board)
    ranks: dict[str, Any] = {}
    if test is not None:
        ranks = {
            "p_value": test.p_value,
            "critical_difference": test.critical_difference,
            "n_datasets": test.n_datasets,
            "mean_ranks": {board.names[row]: rank for row, rank in test.mean_ranks.sort_values().items()},
        }
    pairs["column"] = [column_name(*column) for column in keys_of(pairs, COLUMN)]
    shown = ["column", "first", "second", "n_genes", "mean_difference", "p_value", "p_holm"]
    return {
        "ranks": ranks,
        "wins": _records(wins[["first", "second", "win_rate"]]),
        "pairs": _records(pairs[shown]),
    }


def _facts(board: Board) -> dict[str, Any]:
    """The numbers of the line under the title."""
    started = [manifest["started"][:10] for manifest in board.manifests if manifest.get("started")]
    return {
        "n_methods": sum(kind not in ("control", SUBMITTED) for _, kind, _ in board.names),
        "n_datasets": len(board.columns),
        "n_runs": len(board.runs),
        "n_not_ok": int((board.runs["status"] != "ok").sum()),
        "first_run": min(started, default=""),
        "last_run": max(started, default=""),
        "limits": sorted({limit for _, limit in board.columns if limit}),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries of plain Python values, None for NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
