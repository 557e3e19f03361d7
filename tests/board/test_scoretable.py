"""A board in one file, and boards merged: `stbench pack`."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from command import stbench

from stbench.board.collect import collect
from stbench.board.columns import ROW
from stbench.board.scoretable import common_cells, merged, read_scores, write_scores
from stbench.errors import StbenchError
from stbench.metric import REGISTRY
from stbench.runs.results import Results


@pytest.fixture(scope="module")
def results(tmp_path_factory, write_data):
    """Three rotations of a baseline that tunes, one of another, and a method that is unsupported."""
    folder = tmp_path_factory.mktemp("table")
    common = ["--data", write_data(folder), "--datasets", "planted", "--out", folder / "results"]
    for methods, splits in (("ridge_genes,mean", 3), ("knn", 1)):
        done = stbench("run", "--methods", methods, "--splits", splits, *common)
        assert done.returncode == 0, done.stderr
    return folder / "results"


@pytest.fixture(scope="module")
def board(results):
    return collect(Results.open(results))


def test_a_board_survives_in_a_file(board, tmp_path):
    write_scores(board, tmp_path / "t.parquet")
    again = read_scores(tmp_path / "t.parquet")
    for table in ("summary", "ranks", "failures"):
        first, second = getattr(board, table)(), getattr(again, table)()
        pd.testing.assert_frame_equal(first, second, check_exact=False, rtol=1e-5, atol=1e-6)
    assert again.named_values("chosen") == board.named_values("chosen") != {}
    names = {"ceiling", "oracle", "perfect", "mean"}
    assert names <= set(again.scores["method"])


def test_a_run_without_scores_is_kept(board, tmp_path):
    failed = board.runs["method"] == "knn"
    runs = board.runs.assign(
        status=board.runs["status"].mask(failed, "unsupported"), reason=board.runs["reason"].mask(failed, "x")
    )
    one = replace(board, runs=runs, scores=board.scores[board.scores["method"] != "knn"])
    write_scores(one, tmp_path / "t.parquet")
    again = read_scores(tmp_path / "t.parquet")
    kept = again.runs.query("method == 'knn'")[["status", "reason"]]
    assert kept.to_numpy().tolist() == [["unsupported", "x"]]
    assert len(again.runs) == len(board.runs)


def test_a_later_board_replaces_runs_and_their_scores(board):
    newer = replace(board, scores=board.scores.assign(value=-1.0), runs=board.runs.query("method == 'knn'"))
    newer = replace(newer, scores=newer.scores.query("method == 'knn'"))
    both = merged([board, newer])
    assert (both.scores.query("method == 'knn'")["value"] == -1).all()
    old = both.scores.query("method != 'knn'").sort_values(list(board.scores), ignore_index=True)
    expected = board.scores.query("method != 'knn'").sort_values(list(board.scores), ignore_index=True)
    pd.testing.assert_frame_equal(old, expected)
    assert len(both.runs) == len(board.runs)


def test_other_preparations_and_versions_are_refused(board):
    other = replace(board, runs=board.runs.assign(data_hash="x", split=board.runs["split"] + "x"))
    with pytest.raises(StbenchError, match="Dataset planted was prepared in different ways"):
        merged([board, other])
    older = board.runs["method"].eq("knn")
    other = replace(board, runs=board.runs.assign(version="0", split=board.runs["split"] + "x")[older])
    with pytest.raises(StbenchError, match="Method knn has the versions 0 and 1"):
        merged([board, other])


def test_only_the_rotations_that_every_method_has(board):
    assert set(board.ranks()["n_ok"]) > {0}
    common = common_cells(board)
    assert len(common.runs) == 3
    assert common.runs["rotation"].tolist() == [0, 0, 0]
    genes = common.scores.groupby(ROW)["gene"].nunique()
    assert genes.nunique() == 1
    assert set(common.ranks().dropna(subset="AS")["method"]) == {"ridge_genes", "knn"}


def test_wrong_files_are_one_line(board, tmp_path):
    with pytest.raises(StbenchError, match="does not exist"):
        read_scores(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(StbenchError, match="is not a readable parquet table"):
        read_scores(tmp_path / "text.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(StbenchError, match="has no column 'dataset'"):
        read_scores(tmp_path / "other.parquet")
    changed = {**board.metrics, "pcc": replace(REGISTRY.get("pcc"), definition="99")}
    write_scores(replace(board, metrics=changed), tmp_path / "changed.parquet")
    with pytest.raises(StbenchError, match="has pcc by definition 99; here it is"):
        read_scores(tmp_path / "changed.parquet")


def test_the_commands(results, tmp_path):
    file = tmp_path / "scores.parquet"
    done = stbench("pack", results, "--out", file)
    assert done.returncode == 0, done.stderr
    done = stbench("pack", file, results, "--out", tmp_path / "both.parquet")
    assert done.returncode == 0, done.stderr
    board = tmp_path / "board"
    done = stbench("leaderboard", tmp_path / "both.parquet", "--common", "--figures", "none", "--out", board)
    assert done.returncode == 0, done.stderr
    assert (board / "index.html").is_file()
    assert "| knn |" in (board / "leaderboard.md").read_text()
    done = stbench("pack", results, "--out", tmp_path / "scores.csv")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert ".parquet" in done.stderr


def test_manifests_say_what_the_table_holds(results, board):
    hashes = {record["data_hash"] for record in Results(results).manifests()}
    assert set(board.runs["data_hash"]) == hashes
    chosen = board.runs.query("method == 'ridge_genes'")["chosen"].map(json.loads)
    assert all("alpha" in values for values in chosen)
