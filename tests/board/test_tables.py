"""The Table I shape: which cells are marked, which are missing, what stands in the notes."""

from __future__ import annotations

from math import isnan, nan

import pandas as pd
import pytest

from stbench.board.board import Board
from stbench.board.columns import RUNS, SCORES
from stbench.board.tables import accuracy_block, headers, metric_block, notes, table1
from stbench.metrics import Metric

METRICS = {
    "pcc": Metric("pcc", None, "high", (-1, 1), "1", primary=True, column=1, headline=True),
    "rmse": Metric("rmse", None, "low", (0, 2), "1", primary=True, column=2, redundant="sqrt(2 - 2 pcc)"),
    "spearman": Metric("spearman", None, "high", (-1, 1), "1", column=3),
}


def make_board(*entries, metrics=METRICS):
    """A board of one-gene runs: (method, dataset, pcc or a status, fields); rmse is 1 - pcc."""
    runs, scores = [], []
    for method, dataset, value, fields in entries:
        run = {"method": method, "dataset": dataset, "limit": "", "kind": "method", "preset": "cpu"}
        run |= {"family": "f", "split": "s0", "rotation": 0, "split_seed": 0, "seed": 0} | fields
        ok = not isinstance(value, str)
        runs.append(run | {"status": "ok" if ok else value, "reason": "", "wall_s": 1.0, "peak_rss_bytes": 1})
        if ok:
            for metric, score in (("pcc", value), ("rmse", 1 - value)):
                scores.append(run | {"gene": "g", "metric": metric, "value": score})
    return Board(pd.DataFrame(scores, columns=SCORES), pd.DataFrame(runs, columns=RUNS), metrics)


def marks(block, column=0):
    return {line.method: line.cells[column].mark for line in block.lines if line.cells[column].mark}


CONTROL = {"kind": "control"}


def test_best_and_second_follow_the_direction_of_the_metric():
    board = make_board(("a", "d", 0.1, {}), ("b", "d", 0.3, {}), ("c", "d", 0.2, {"kind": "baseline"}))
    assert marks(metric_block(board, "pcc")) == {"b": "best", "c": "second"}
    assert marks(metric_block(board, "rmse")) == {"b": "best", "c": "second"}
    assert metric_block(board, "rmse").direction == "lower is better"


def test_ties_share_their_mark_up_to_rounding():
    board = make_board(
        ("a", "d", 0.1 + 0.2, {}), ("b", "d", 0.3, {}), ("c", "d", 0.2, {}), ("e", "d", 0.1, {})
    )
    assert marks(metric_block(board, "pcc")) == {"a": "best", "b": "best", "c": "second"}


def test_controls_and_incomplete_rows_do_not_compete():
    board = make_board(
        ("a", "d", 0.1, {}),
        ("a", "d", 0.1, {"split": "s1"}),
        ("partial", "d", 0.8, {}),
        ("late", "d", 0.9, {}),
        ("late", "d", "timeout", {"split": "s1"}),
        ("random", "d", 0.7, CONTROL),
        ("random", "d", 0.7, CONTROL | {"split": "s1"}),
    )
    block = metric_block(board, "pcc")
    assert marks(block) == {"a": "best"}
    assert [line.method for line in block.methods] == ["a", "late", "partial"]
    assert [line.method for line in block.controls] == ["random"]
    statuses = {line.method: line.cells[0].status for line in block.lines}
    assert statuses == {"a": "ok", "late": "timeout (1 of 2)", "partial": "partial (1 of 2)", "random": "ok"}


def test_rows_keep_the_order_of_the_ranks_in_every_block():
    board = make_board(
        ("a", "d", 0.1, {}), ("b", "d", 0.3, {}), ("c", "d", "failed", {}), ("r", "d", 0.9, CONTROL)
    )
    for block in table1(board):
        assert [line.method for line in block.lines] == ["b", "a", "c", "r"]


def test_several_columns_get_their_mean_where_a_row_is_ok_in_all():
    board = make_board(
        ("a", "d1", 0.1, {}), ("a", "d2", 0.3, {"limit": "cells=9"}),
        ("b", "d1", 0.9, {}), ("b", "d2", "failed", {"limit": "cells=9"}),
        ("c", "d1", 0.2, {}),
    )  # fmt: skip
    assert headers(board) == ["d1", "d2 [cells=9]", "mean"]
    a, b, c = metric_block(board, "pcc").lines
    assert [cell.mean for cell in a.cells] == pytest.approx([0.1, 0.3, 0.2])
    assert a.cells[2].mark == "best"
    assert [cell.status for cell in b.cells] == ["ok", "failed (1 of 1)", ""]
    assert [cell.status for cell in c.cells] == ["ok", "not run", ""]
    assert isnan(b.cells[2].mean)
    assert b.cells[2].empty
    assert not b.cells[1].empty


def test_one_column_has_no_mean():
    assert headers(make_board(("a", "d", 0.1, {}))) == ["d"]


def test_accuracy_block_says_who_is_not_ranked():
    board = make_board(
        ("a", "d1", 0.1, {}), ("a", "d2", 0.1, {}),
        ("b", "d1", 0.2, {}), ("b", "d2", 0.2, {}),
        ("c", "d1", 0.3, {}), ("c", "d2", "failed", {}),
        ("r", "d1", 0.9, CONTROL), ("r", "d2", 0.9, CONTROL),
    )  # fmt: skip
    block = accuracy_block(board)
    b, a, c = block.methods
    assert [cell.mean for cell in b.cells] == [1, 1, 1]
    assert [cell.mean for cell in a.cells] == [0.5, 0.5, 0.5]
    assert [cell.status for cell in c.cells[:2]] == ["not ranked", "failed (1 of 1)"]
    assert block.controls == []
    assert [block.name for block in table1(board)] == ["pcc", "rmse", "AS", "AS without rmse"]


def test_a_metric_without_a_score_is_an_empty_cell():
    board = make_board(("a", "d", 0.1, {}), ("b", "d", nan, {}))
    cells = {line.method: line.cells[0] for line in metric_block(board, "pcc").lines}
    assert cells["b"].empty
    assert cells["b"].mark == ""
    assert all(line.empty for line in metric_block(board, "spearman").lines)


def test_notes_say_what_the_numbers_are():
    board = make_board(
        ("a", "d1", 0.1, {"preset": "paper"}), ("a", "d1", 0.1, {"seed": 1, "preset": "paper"}),
        ("a", "d2", 0.1, {"limit": "cells=9,spots=8"}),
    )  # fmt: skip
    text = list(notes(board))
    assert "Higher is better: pcc, spearman." in text
    assert "Lower is better: rmse." in text
    assert "Runs per method: 1 splits x 1 seeds on d2 [cells=9,spots=8]; 1 splits x 2 seeds on d1." in text
    assert sum("rmse = sqrt(2 - 2 pcc)" in note for note in text) == 1
    assert sum("(here: cpu; paper)" in note for note in text) == 1
    assert sum("(here: cells=9,spots=8)" in note for note in text) == 1


def test_notes_of_whole_datasets_on_one_grid():
    text = list(notes(make_board(("a", "d1", 0.1, {}), ("a", "d2", 0.1, {}))))
    assert "Runs per method: 1 splits x 1 seeds." in text
    assert not any(note.startswith("Limit") for note in text)
    cut = make_board(("a", "d1", 0.1, {"limit": "cells=9"}), ("a", "d2", 0.1, {"limit": "cells=9"}))
    assert headers(cut) == ["d1", "d2", "mean"]
    assert any(
        note.startswith("Limit: every dataset was cut") and "(here: cells=9)" in note for note in notes(cut)
    )
    mixed = make_board(("a", "d1", 0.1, {"limit": "cells=9"}), ("a", "d2", 0.1, {}))
    assert headers(mixed) == ["d1 [cells=9]", "d2", "mean"]
    assert any(note.startswith("Limit: a dataset with [...] was cut") for note in notes(mixed))
