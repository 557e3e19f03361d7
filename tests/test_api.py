"""The commands as Python functions, on one small grid."""

import doctest
import inspect
import shutil
from pathlib import Path

import pandas as pd
import pytest

import stbench
from stbench.cli import PANELS
from stbench.data.check import check_pair
from stbench.data.convert import convert
from stbench.errors import StbenchError
from stbench.testing.planted import planted_pair, planted_task

ROOT = Path(__file__).resolve().parent.parent
GRID = {"splits": 2, "limit": "cells=120,spots=80,genes=40", "jobs": 2, "quiet": True}
OTHER_NAMES = {"leaderboard": "make_leaderboard", "audit": "run_audit", "list_plugins": "list_plugins"}


@pytest.fixture(scope="module")
def board():
    return stbench.run(["mean", "ridge", "knn"], "simulated", **GRID)


def test_without_a_folder_the_runs_are_in_the_cache_and_the_same_call_continues(board, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = stbench.run(["mean", "ridge", "knn"], "simulated", **GRID | {"jobs": 1})
    assert again.archive.results.folder == board.archive.results.folder
    assert list(again.runs["wall_s"]) == list(board.runs["wall_s"])  # no run was made again
    assert list(tmp_path.iterdir()) == []
    other = stbench.run(["mean"], "simulated", **GRID)
    assert other.archive.results.folder != board.archive.results.folder
    assert set(other.runs["method"]) == {"mean"}


def test_what_is_shown_is_short_and_names_the_folder(board):
    folder = board.archive.results.folder
    assert repr(board) == f"Board of 3 methods on 1 dataset: 6 runs, in '{folder}'"
    html = board._repr_html_()
    assert "<td>ridge</td>" in html
    assert html.count("<tr") == len(board.ranks()) + 1
    assert repr(board.archive.results) == f"Results of 6 runs in '{folder}'"
    assert repr(planted_task()).startswith("Task: ")
    assert all(len(repr(thing)) < 300 for thing in (board, planted_task()))


def test_every_example_runs(board, tmp_path, monkeypatch):
    """In the folder of a reader who has results, two tables, and a prediction of his own."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(board.archive.results.folder, "results")
    reference, spatial = planted_pair()
    spatial.write_h5ad("truth.h5ad")
    spatial[::-1].write_h5ad("mine.h5ad")
    reference.write_h5ad("cells.h5ad")
    names = {"stbench": stbench, "adata_sp": spatial, "adata_sc": reference}
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    functions = [*(getattr(stbench, name) for name in sorted(stbench.api.__all__)), check_pair, convert]
    for function in functions:
        text = inspect.getdoc(function)
        runner.run(parser.get_doctest(text, dict(names), function.__name__, None, None))
    assert runner.summarize().failed == 0
    assert runner.summarize().attempted >= 20
    assert (tmp_path / "board" / "index.html").is_file()
    assert (tmp_path / "my_tissue" / "st.h5ad").is_file()


def test_functions_on_results(board, tmp_path):
    folder = board.archive.results.folder
    read = stbench.read_board(folder)
    pd.testing.assert_frame_equal(read.ranks(), board.ranks())
    stbench.pack([folder], out=tmp_path / "scores.parquet")
    assert repr(stbench.read_board(tmp_path / "scores.parquet")).endswith("6 runs")
    assert stbench.compare("ridge", "knn", board).loc["simulated", "genes"] == 8
    assert (stbench.compare(board, board)["difference"] == 0).all()
    shown = (
        stbench.show("ridge · simulated", folder)
        if False
        else stbench.show("ridge · simulated · split 1", folder)
    )
    assert shown["split"]["rotation"] == 1
    assert -1 <= shown["scores"]["pcc"] <= 1
    assert list(stbench.status(folder)["status"]) == ["ok"] * 6
    assert stbench.merge([folder], tmp_path / "merged") == 6
    with pytest.raises(StbenchError, match="ends in .parquet"):
        stbench.pack([folder], out=tmp_path / "scores.csv")


def test_functions_on_plugins(tmp_path, monkeypatch):
    assert stbench.list_plugins("methods").loc["knn", "family"] == "baseline"
    assert stbench.list_plugins("datasets").loc["simulated", "available"]
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in stbench.new("metric", "top_spots")] == ["top_spots.py", "test_top_spots.py"]
    assert stbench.doctor()["missing"]["knn"] == ""
    with pytest.raises(StbenchError, match="'knn' has no environment of its own: it runs here as it is"):
        stbench.env("knn")


def test_every_command_has_a_documented_function_with_an_example():
    names = {command.__name__ for commands in PANELS.values() for command in commands} - {"run_one"}
    functions = {OTHER_NAMES.get(name, name) for name in names} | {"check", "join", "read_board"}
    assert functions == set(stbench.api.__all__)
    assert functions <= set(dir(stbench))
    page = (ROOT / "docs" / "api.md").read_text()
    for name in functions:
        assert f".. autofunction:: stbench.api.{name}\n" in page, name
        assert ">>> " in inspect.getdoc(getattr(stbench, name)), name
