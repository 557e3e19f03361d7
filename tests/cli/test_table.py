"""The short table at the end of a run."""

from __future__ import annotations

import io

import pandas as pd
from rich.console import Console

from stbench.board.board import Board
from stbench.board.columns import RUNS, SCORES
from stbench.cli.table import show
from stbench.metrics import Metric

METRICS = {
    "pcc": Metric("pcc", None, "high", (-1, 1), "1", primary=True, column=1, headline=True),
    "rmse": Metric("rmse", None, "low", (0, 2), "1", primary=True, column=2, redundant="sqrt(2 - 2 pcc)"),
}


def shown(entries):
    """The lines that are printed for (method, kind, dataset, pcc or a status); rmse is 1 - pcc."""
    runs, scores = [], []
    for method, kind, dataset, value in entries:
        run = {"dataset": dataset, "limit": "spots=9", "method": method, "kind": kind, "preset": "cpu"}
        run |= {"family": "f", "split": "s0", "rotation": 0, "split_seed": 0, "seed": 0}
        ok = not isinstance(value, str)
        runs.append(run | {"status": "ok" if ok else value, "reason": "", "wall_s": 1.0, "peak_rss_bytes": 1})
        for metric, score in (("pcc", value), ("rmse", 1 - value)) if ok else ():
            scores.append(run | {"gene": "g", "metric": metric, "value": score})
    board = Board(pd.DataFrame(scores, columns=SCORES), pd.DataFrame(runs, columns=RUNS), METRICS)
    out = io.StringIO()
    show(board, Console(file=out, width=200))
    lines = (line.replace("┃", "│").strip("│ ").split("│") for line in out.getvalue().splitlines())
    return [[cell.strip() for cell in line] for line in lines]


def test_methods_by_rank_then_controls():
    lines = shown(
        [
            ("a[0]", "method", "d1", 0.1), ("a[0]", "method", "d2", 0.2),
            ("b", "baseline", "d1", 0.3), ("b", "baseline", "d2", 0.4),
            ("c", "method", "d1", 0.9), ("c", "method", "d2", "failed"),
            ("random", "control", "d1", 0.0), ("random", "control", "d2", 0.0),
        ]
    )  # fmt: skip
    head = ["d1", "d2", "mean", "datasets ok"]
    assert lines[2] == ["method", "preset", "AS", "AS without rmse", *head]
    rows = [line for line in lines if len(line) == 8][1:]
    assert rows == [
        ["b", "cpu, reduced", "1.000", "1.000", "0.300", "0.400", "0.350", "2 of 2"],
        ["a[0]", "cpu, reduced", "0.500", "0.500", "0.100", "0.200", "0.150", "2 of 2"],
        ["c", "cpu, reduced", "–", "–", "0.900", "failed (1 of 1)", "–", "1 of 2"],
        ["random", "cpu, reduced", "–", "–", "0.000", "0.000", "0.000", "2 of 2"],
    ]


def test_many_datasets_show_their_mean_only():
    lines = shown([("a", "method", f"d{i}", i / 10) for i in range(9)])
    assert ["method", "preset", "AS", "AS without rmse", "mean", "datasets ok"] in lines
    assert ["a", "cpu, reduced", "1.000", "1.000", "0.400", "9 of 9"] in lines
