from __future__ import annotations

import pandas as pd
import pytest

from stbench.leaderboard import REGISTRY

COLUMNS = (
    "dataset,method,kind,preset,limit,metric,mean,sd,n_genes,n_genes_unscored,n_splits,n_seeds,status,"
    "share,share_of_oracle"
)


def test_columns_and_rows(board, tmp_path):
    paths = REGISTRY.get("csv")(board, tmp_path)
    assert paths == [tmp_path / "leaderboard.csv"]
    lines = paths[0].read_text().splitlines()
    assert lines[0] == COLUMNS
    assert 'embryo,b,method,paper,"cells=20,spots=10",js,,,0,0,0,0,timeout (1 of 1),,' in lines
    assert len(lines) == 1 + 2 * 3 * 4 + 1  # ceiling has pcc on one dataset


def test_values_survive_at_full_precision(board, tmp_path):
    REGISTRY.get("csv")(board, tmp_path)
    table = pd.read_csv(
        tmp_path / "leaderboard.csv",
        keep_default_na=False,
        na_values=dict.fromkeys(["mean", "sd", "share", "share_of_oracle"], ""),
        float_precision="round_trip",
    )
    pd.testing.assert_frame_equal(table, board.summary(), check_exact=True)
    one = table.query("dataset == 'brain_1' and method == 'b' and metric == 'rmse'").iloc[0]
    assert one["mean"] == pytest.approx(1.2)
    assert one["sd"] == pytest.approx(0.02**0.5)
    assert (one["n_genes"], one["n_genes_unscored"]) == (2, 1)
    shares = table.dropna(subset="share").set_index(["dataset", "method", "metric"])["share"].to_dict()
    assert shares == pytest.approx({("brain_1", "odd(a_b=50%)", "pcc"): 0.5, ("brain_1", "b", "pcc"): 0})
