"""Two methods of a board, and two boards, gene by gene."""

import numpy as np
import pytest
from levels import board_of, row

from stbench.board.compare import ALL, compare_boards, compare_methods, row_called
from stbench.board.comparisons import differences
from stbench.errors import StbenchError


def test_two_methods_on_every_dataset_and_over_all():
    board = board_of({"a": 0.5, "b": 0.3, "c": 0.3})
    table = compare_methods(board, row("a"), row("b"))
    assert list(table.index) == ["d0", "d1", "d2", ALL]
    np.testing.assert_allclose(table["difference"], table["first"] - table["second"])
    assert (table["low"] > 0).all()
    assert (table["p"].iloc[:3] < 0.01).all()
    overall = differences(board, row("a")).loc[row("b")]
    assert table.loc[ALL, "difference"] == pytest.approx(overall["mean"])
    assert table.loc[ALL, ["low", "high"]].tolist() == pytest.approx(list(overall[["low", "high"]]), abs=0.01)
    other = compare_methods(board, row("b"), row("c"))
    assert other.loc[ALL, "low"] < 0 < other.loc[ALL, "high"]


def test_two_boards_row_by_row():
    old, new = board_of({"a": 0.3, "b": 0.3}), board_of({"a": 0.5, "b": 0.3, "c": 0.9})
    table = compare_boards(new, old)
    assert list(table.index) == ["a", "b"]
    assert table.loc["a", "low"] > 0.1
    assert table.loc["b", "low"] < 0 < table.loc["b", "high"]


def test_names_of_rows():
    board = board_of({"a": 0.5, "b": 0.3})
    assert row_called(board, "a") == row("a")
    with pytest.raises(StbenchError, match="Unknown method of the board 'x'"):
        row_called(board, "x")
