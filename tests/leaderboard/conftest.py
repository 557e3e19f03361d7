"""A small board with everything that a table must show."""

from __future__ import annotations

from math import nan

import pandas as pd
import pytest

from stbench.board.board import Board
from stbench.board.columns import RUNS, SCORES
from stbench.metrics import Metric

METRICS = {
    "pcc": Metric("pcc", None, "high", (-1, 1), "1", primary=True, column=1, headline=True),
    "ssim": Metric("ssim", None, "high", (-1, 1), "1", primary=True, column=2),
    "rmse": Metric("rmse", None, "low", (0, 2), "1", primary=True, column=3, redundant="sqrt(2 - 2 pcc)"),
    "js": Metric("js", None, "low", (0, 1), "1", primary=True, column=4),
    "spearman": Metric("spearman", None, "high", (-1, 1), "1", column=5),
}


def fields(dataset, limit, method, kind, preset):
    names = {"dataset": dataset, "limit": limit, "method": method, "kind": kind, "preset": preset}
    return names | {"family": "f", "split": "s0", "rotation": 0, "split_seed": 0, "seed": 0}


def build(runs, controls=()):
    """A board from (dataset, limit, method, kind, preset, values per metric or a status, reason)."""
    run_rows, score_rows = [], []
    for *names, outcome, reason in [*runs, *controls]:
        ok = isinstance(outcome, dict)
        if (*names, outcome, reason) not in controls:
            status = {
                "status": "ok" if ok else outcome,
                "reason": reason,
                "predict_s": 1.0,
                "peak_rss_bytes": 1,
            }
            run_rows.append(fields(*names) | status)
        for metric, values in outcome.items() if ok else ():
            for i, value in enumerate(values):
                score_rows.append(fields(*names) | {"gene": f"g{i}", "metric": metric, "value": value})
    return Board(pd.DataFrame(score_rows, columns=SCORES), pd.DataFrame(run_rows, columns=RUNS), METRICS)


@pytest.fixture
def make_board():
    """The function `build`."""
    return build


@pytest.fixture
def board():
    """Two datasets, one of them limited; b fails on the second; random, ceiling stand apart."""
    good = {"pcc": [0.3, 0.5, nan], "ssim": [0.2, 0.2, nan], "rmse": [1.0, 1.2, nan], "js": [0.1, 0.3, nan]}
    fair = {"pcc": [-0.1, 0.1, nan], "ssim": [0.1, 0.1, nan], "rmse": [1.1, 1.3, nan], "js": [0.2, 0.4, nan]}
    noise = {"pcc": [0.0, 0.0, nan], "ssim": [0.0, 0.0, nan], "rmse": [1.4, 1.4, nan], "js": [0.5, 0.5, nan]}
    odd, limit = "odd(a_b=50%)", "cells=20,spots=10"
    runs = [
        ("brain_1", "", odd, "method", "cpu", good, ""),
        ("brain_1", "", "b", "method", "paper", fair, ""),
        ("brain_1", "", "random", "control", "cpu", noise, ""),
        ("embryo", limit, odd, "method", "cpu", good, ""),
        ("embryo", limit, "b", "method", "paper", "timeout", "killed | after\n60 s"),
        ("embryo", limit, "random", "control", "cpu", noise, ""),
    ]
    return build(runs, [("brain_1", "", "ceiling", "control", "", {"pcc": [0.8, 0.8, nan]}, "")])


@pytest.fixture
def wide_board():
    """37 datasets x 8 methods with two holes, and a label with every character that LaTeX minds."""
    awkward = r"a_b(x=50%,y=#1)&$z$ ~^\{q}<r>|\"s\" [t]* α"
    runs = []
    for d in range(37):
        for m in range(8):
            name = awkward if m == 0 else f"method_{m}"
            values = {metric: [m / 10, m / 10 + 0.2] for metric in METRICS}
            if (d, m) == (3, 1):
                continue
            outcome = "out_of_memory" if (d, m) == (5, 2) else values
            runs.append(
                (f"dataset_{d:02d}", "cells=2000" if d % 2 else "", name, "method", "cpu", outcome, "")
            )
    return build(runs)
