"""The numbers of the page: the rows, columns, metrics and cells that its tables and plots show."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stbench.board.archive import Column
from stbench.board.board import Board
from stbench.board.columns import COLUMN, ROW, column_name, keys_of
from stbench.board.comparisons import name_pairs, over_datasets, paired_tests, win_table
from stbench.board.tables import metric_block
from stbench.plot.style import styles
from stbench.scoring.controls import CEILING

CELL = ["mean", "sd", "low", "high", "share", "n_genes", "n_splits", "n_seeds", "status"]


def content(board: Board) -> dict[str, Any]:
    """Everything that is shown as a number, ready for JSON (None where there is none).

    ``columns`` (datasets), ``rows`` (methods, best first), ``metrics``, ``cells`` by metric, row and column
    (fields `CELL`), ``headline`` (the name of that metric), ``ceiling`` (of that control), ``comparisons``.
    """
    rows = _rows(board)
    place = {row: i for i, row in enumerate(keys_of(board.ranks(), ROW))}
    return {
        "columns": _columns(board),
        "rows": rows,
        "metrics": _metrics(board),
        "cells": _cells(board, place),
        "fields": CELL,
        "ceiling": CEILING,
        "headline": board.headline,
        "comparisons": _comparisons(board),
        "facts": _facts(board),
    }


def _rows(board: Board) -> list[dict[str, Any]]:
    """The rows in the order of the ranks, with what the first table shows."""
    ranks = board.ranks()
    names = board.names_of(ranks)
    looks = styles(names)
    families = pd.concat([board.runs, board.scores]).groupby(ROW)["family"].first()
    ok = board.runs[board.runs["status"] == "ok"]
    cost = ok.groupby(ROW)[["wall_s", "peak_rss_bytes"]].median().astype(float)
    table = ranks.merge(families.reset_index(), how="left", on=ROW).merge(cost, how="left", on=ROW)
    limits = {limit for _, limit in board.columns}
    reasons = table["reason"]
    if len(limits) == 1:  # stated once, at the top of the page
        reasons = reasons.str.replace(column_name("", *limits), "", regex=False)
    table = table.assign(
        name=names,
        colour=[looks[n].colour for n in names],
        symbol=[looks[n].symbol for n in names],
        reason=reasons,
    )
    return _records(table)


def short_label(board: Board, column: Column) -> str:
    """The dataset, with its limit only where not all have the same: that is stated once for the page."""
    dataset, limit = column
    return dataset if len({limit for _, limit in board.columns}) == 1 else column_name(dataset, limit)


def _columns(board: Board) -> list[dict[str, Any]]:
    """The datasets, with what they can be chosen by."""
    columns = []
    for dataset, limit in board.columns:
        card = board.archive.dataset((dataset, limit))["card"] if board.archive else {}
        columns.append(
            {
                "dataset": dataset,
                "limit": limit,
                "label": column_name(dataset, limit),
                "short": short_label(board, (dataset, limit)),
                "tissue": card.get("tissue") or "not stated",
                "technology": card.get("spatial_platform") or "not stated",
            }
        )
    return columns


def _metrics(board: Board) -> list[dict[str, Any]]:
    """The metrics that have scores, with the words for their direction."""
    scored = set(board.scores["metric"])
    return [
        {"name": name, "best": board.metrics[name].best, "direction": metric_block(board, name).direction}
        for name in board.metric_order
        if name in scored
    ]


def _cells(board: Board, place: dict[tuple[str, str, str], int]) -> dict[str, list[list[Any]]]:
    """By metric a list of cells: the place of the row, the place of the column, then the fields `CELL`."""
    keys = [*COLUMN, *ROW, "metric"]
    table = board.bootstrap_means.merge(board.summary()[[*keys, "share"]], on=keys)
    columns = {column: i for i, column in enumerate(board.columns)}
    cells: dict[str, list[list[Any]]] = {}
    for cell in _records(table):
        row, column = tuple(cell[key] for key in ROW), tuple(cell[key] for key in COLUMN)
        found = [round(x, 4) if isinstance(x, float) else x for x in (cell[key] for key in CELL)]
        cells.setdefault(cell["metric"], []).append([place[row], columns[column], *found])
    return cells


def _comparisons(board: Board) -> dict[str, Any]:
    """Tests between methods: over datasets, pairs within a dataset, and how often one wins."""
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
    """The line under the title."""
    ranks = board.ranks()
    started = sorted(manifest["started"] for manifest in board.manifests if manifest.get("started"))
    return {
        "n_methods": int((ranks["kind"] != "control").sum()),
        "n_datasets": len(board.columns),
        "n_runs": len(board.runs),
        "n_not_ok": int((board.runs["status"] != "ok").sum()),
        "first_run": started[0][:10] if started else "",
        "last_run": started[-1][:10] if started else "",
        "limits": sorted({limit for _, limit in board.columns if limit}),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries of plain Python values, None for NaN."""
    plain = table.astype(object).where(table.notna(), None)
    return [{key: _plain(value) for key, value in row.items()} for row in plain.to_dict("records")]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
