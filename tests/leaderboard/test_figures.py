"""The figures of a board: which are drawn, from what, and with which words."""

from __future__ import annotations

import json
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from command import stbench
from PIL import Image

from stbench.board.board import Board
from stbench.board.collect import collect
from stbench.leaderboard import REGISTRY
from stbench.leaderboard.figures.files import write_figures
from stbench.leaderboard.figures.of_predictions import map_figures, prediction_figures
from stbench.leaderboard.figures.of_runs import ablation_figures
from stbench.leaderboard.figures.of_scores import _cost, headline_figures, metric_figures
from stbench.runs.results import Results

FILES = "png", "pdf", "svg"


@pytest.fixture(scope="module")
def real_board(tmp_path_factory):
    """Two methods on the simulated tissue, one of them with two values of a parameter."""
    out = tmp_path_factory.mktemp("figures") / "results"
    options = ["--datasets", "simulated", "--limit", "cells=80,spots=60,genes=40", "--out", str(out)]
    for methods in (["ridge,knn"], ["knn", "--set", "knn.n_neighbors=3"]):
        stbench("run", "--methods", *methods, *options).check_returncode()
    return collect(Results.open(out))


def drawn(make, board):
    return {one.name: one for one in make(board)}


def test_figures_of_scores(real_board):
    found = drawn(headline_figures, real_board) | drawn(metric_figures, real_board)
    assert {"boxes_pcc", "heatmap_pcc", "heatmap_js", "cost", "ceiling", "win_rates"} <= set(found)
    assert "critical_difference" not in found  # one dataset: nothing to test
    assert "higher is better" in found["heatmap_pcc"].caption
    assert "lower is better" in found["heatmap_js"].caption
    assert "cells=80,spots=60,genes=40" in found["ceiling"].caption
    heatmap = found["heatmap_pcc"].figure.axes[0].images[0].get_array()
    summary = real_board.summary().query("metric == 'pcc' and kind != 'control'")
    low, high = summary["mean"].min(), summary["mean"].max()
    assert sorted(heatmap.ravel()) == pytest.approx(sorted((summary["mean"] - low) / (high - low)))


def test_a_cell_without_a_result_is_crossed(board):
    found = drawn(headline_figures, board)
    ax = found["heatmap_pcc"].figure.axes[0]
    assert len(ax.lines) == 2  # b timed out on the embryo
    assert [text.get_text() for text in ax.texts] == ["0.40", "0.40", "0.00"]


def test_scores_without_costs_have_no_figure_of_cost(wide_board):
    assert "cost" in drawn(_cost, wide_board)
    wide_board.runs["predict_s"] = np.nan  # the time of the whole run does not stand in for it
    assert drawn(_cost, wide_board) == {}


def test_figures_of_predictions(real_board):
    found = drawn(map_figures, real_board) | drawn(prediction_figures, real_board)
    maps = next(one for name, one in found.items() if name.startswith("maps_simulated"))
    titles = [ax.get_title(loc="center") for ax in maps.figure.axes]
    assert sum("truth" in title for title in titles) == 3  # three genes
    assert "n = 60 spots" in maps.caption
    assert any(name.startswith("umap_simulated") for name in found)
    distances = next(one for name, one in found.items() if name.startswith("distances_simulated"))
    assert "n = 4 test genes" in distances.caption


def test_predictions_of_the_rows_that_are_asked_for(real_board):
    (column,) = real_board.columns
    every = real_board.archive.predictions(column)
    row = next(row for row in every if row[0] == "ridge")
    asked = real_board.archive.predictions(column, rows=[row])
    assert list(asked) == [row]
    assert len(every) == 3
    pd.testing.assert_frame_equal(asked[row], every[row])


def test_the_ablation_of_a_parameter(real_board):
    found = drawn(ablation_figures, real_board)
    assert set(found) == {"ablation_knn"}
    ax = found["ablation_knn"].figure.axes[0]
    assert ax.get_xlabel() == "n_neighbors"
    assert "n = 4 genes per dataset" in found["ablation_knn"].caption
    assert "3" in [label.get_text() for label in ax.get_xticklabels()]


def test_a_board_of_scores_alone_has_the_figures_of_scores(board, tmp_path):
    paths = REGISTRY.get("figures")(board, tmp_path)
    names = {path.name for path in paths}
    assert set(names) == {path.name for path in (tmp_path / "figures").iterdir()} - {"drawn.json"}
    assert {"heatmap_pcc.png", "heatmap_pcc.pdf", "heatmap_pcc.svg", "captions.md"} <= names
    assert round(Image.open(tmp_path / "figures" / "heatmap_pcc.png").info["dpi"][0]) == 300
    assert ">0.40</text>" in (tmp_path / "figures" / "heatmap_pcc.svg").read_text()  # text remains text
    assert all(path.stat().st_size > 0 for path in paths)
    captions = (tmp_path / "figures" / "captions.md").read_text()
    assert "**heatmap_pcc**. Mean pcc (higher is better)" in captions
    assert plt.get_fignums() == []  # nothing is left open


def test_cost_is_that_of_the_method(make_board):
    values = {"pcc": [0.1, 0.3], "ssim": [0.1, 0.1], "rmse": [1.0, 1.0], "js": [0.1, 0.1]}
    board = make_board([("brain", "", name, "method", "cpu", values, "") for name in ("quick", "slow")])
    board.runs["predict_s"] = [0.1, 50.0]
    board.runs["wall_s"] = [100.0, 60.0]  # the start of a process hides who is quick
    (cost,) = _cost(board)
    seconds = {line.get_xdata()[0] for line in cost.figure.axes[0].lines if len(line.get_xdata()) == 1}
    assert seconds == {0.1, 50.0}


def test_a_figure_is_drawn_again_only_when_what_it_shows_has_changed(board, tmp_path):
    def stamps(figures):
        write_figures(figures, tmp_path)
        return {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.[ps]*")}

    first = stamps(list(headline_figures(board)))
    assert {"heatmap_pcc.png", "heatmap_pcc.pdf", "win_rates.png"} <= set(first)
    assert stamps(list(headline_figures(board))) == first
    (tmp_path / "win_rates.pdf").unlink()  # a missing file is made again
    second = stamps(list(headline_figures(board)))
    assert {name for name in first if second[name] != first[name]} == {f"win_rates.{end}" for end in FILES}

    scores = board.scores.copy()
    scores.loc[(scores["method"] == "b") & (scores["metric"] == "pcc"), "value"] += 0.05
    changed = Board(scores, board.runs, board.metrics)
    third = stamps(list(headline_figures(changed)))
    assert third["win_rates.png"] == second["win_rates.png"]  # b still loses
    assert third["heatmap_pcc.png"] != second["heatmap_pcc.png"]
    left = set(stamps(list(headline_figures(changed))[:1]))
    assert left == {f"boxes_pcc.{end}" for end in FILES}  # no stale file


def test_the_top_of_a_renderer_imports_nothing_heavy():
    code = (
        "import sys, json; from stbench.leaderboard import REGISTRY; REGISTRY.names()\n"
        "print(json.dumps([m for m in ('matplotlib', 'plotly', 'itables', 'umap') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
