from __future__ import annotations

import pandas as pd
import pytest

from stbench.board.board import Board
from stbench.board.columns import RUNS, SCORES
from stbench.leaderboard import REGISTRY
from stbench.leaderboard.reported import SOURCES, beside, read, too_large_rmse
from stbench.metrics import Metric


@pytest.fixture
def measured():
    """Tangram on MG at two presets, on a limited MH, and failed on ML; another method on MG."""
    rows = [
        ("MG", "", "tangram", "cpu", "ok"), ("MG", "", "tangram", "paper", "ok"),
        ("MG", "", "knn", "cpu", "ok"), ("MH", "cells=9", "tangram", "cpu", "ok"),
        ("ML", "", "tangram", "cpu", "failed"),
    ]  # fmt: skip
    runs, scores = [], []
    for dataset, limit, method, preset, status in rows:
        own = {"dataset": dataset, "limit": limit, "method": method, "kind": "method", "preset": preset}
        own |= {"family": "f", "rotation": 0, "split_seed": 0, "split": "s", "seed": 0}
        runs.append(own | {"status": status, "reason": "", "wall_s": 1.0, "peak_rss_bytes": 1})
        values = [0.1, 0.3] if preset == "cpu" else [0.2, 0.4]
        if status == "ok":
            scores += [own | {"gene": f"g{i}", "metric": "pcc", "value": v} for i, v in enumerate(values)]
    metrics = {"pcc": Metric("pcc", None, "high", (-1, 1), "1", primary=True, column=1, headline=True)}
    return Board(pd.DataFrame(scores)[SCORES], pd.DataFrame(runs, columns=RUNS), metrics)


def test_the_figures_are_those_of_the_sources():
    table1, li = (read(source) for source in SOURCES)
    assert table1.groupby("metric").size().to_dict() == {"js": 100, "pcc": 100, "rmse": 100, "ssim": 100}
    row = table1.query("metric == 'pcc' and method == 'CausalGeD' and dataset == 'MG'").iloc[0]
    assert (row["mean"], row["spread"]) == (0.836, 0.034)
    assert li.query("metric == 'pcc'").set_index("method")["mean"].to_dict()["Tangram"] == 0.533
    assert li["spread"].isna().all()


def test_measured_stands_beside_reported_where_method_and_dataset_are_the_same(measured):
    table = beside(read(SOURCES[0]), measured)
    found = table.dropna(subset="measured")
    assert found[["method", "dataset", "metric", "preset"]].to_numpy().tolist() == [
        ["Tangram", "MG", "pcc", "cpu"],
        ["Tangram", "MG", "pcc", "paper"],
    ]
    assert found["measured"].tolist() == pytest.approx([0.2, 0.3])
    assert found["mean"].tolist() == [0.458, 0.458]  # reported, as it was
    assert len(table) == 401


def test_rmse_above_its_bound_is_counted():
    table = pd.DataFrame(
        [("pcc", "a", "d", 0.5), ("rmse", "a", "d", 1.0), ("pcc", "b", "d", 0.5), ("rmse", "b", "d", 1.01)],
        columns=["metric", "method", "dataset", "mean"],
    )
    assert too_large_rmse(table) == (1, 2)
    assert too_large_rmse(read(SOURCES[1])) == (0, 0)


def test_the_page_and_that_nothing_of_it_is_ranked(measured, tmp_path):
    paths = REGISTRY.get("reported")(measured, tmp_path)
    assert [path.name for path in paths] == ["reported.md", "reported.csv"]
    page = paths[0].read_text()
    assert "take\npart in no rank" in page
    line = next(line for line in page.splitlines() if line.startswith("| Tangram |"))
    both = "measured 0.200 ± 0.141 (cpu, reduced); measured 0.300 ± 0.141 (paper)"
    assert f"| 0.458 ± 0.203; {both} | 0.523 ± 0.116 |" in line
    assert "Measured on this board: 1 of its pairs" in page
    assert len(pd.read_csv(paths[1])) == 401 + 16
    assert set(measured.ranks()["method"]) == {"tangram", "knn"}
