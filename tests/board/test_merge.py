"""Results folders become one; what does not compare, or is no plain file, is refused."""

from __future__ import annotations

import json
import os
import shutil

import pandas as pd
import pytest
from command import stbench

from stbench.board.collect import collect
from stbench.board.merge import merge
from stbench.errors import StbenchError
from stbench.runs.results import Results


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_data):
    """Two results folders of one dataset: mean and ridge, ridge and knn."""
    folder = tmp_path_factory.mktemp("made")
    data = write_data(folder)
    done = stbench(
        "run", "--methods", "mean,ridge,knn", "--datasets", "planted", "--data", data, "--out", folder / "a"
    )
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "a", folder / "b")
    shutil.rmtree(runs(folder / "a")["knn"])
    shutil.rmtree(runs(folder / "b")["mean"])
    return folder


@pytest.fixture
def two(made, tmp_path):
    """Copies of the two folders, to be spoiled."""
    return [shutil.copytree(made / name, tmp_path / name) for name in ("a", "b")]


def runs(folder):
    return {record["label"]: folder / "runs" / record["key"] for record in Results(folder).manifests()}


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_the_board_of_both_is_that_of_one_run(two, tmp_path):
    assert merge(two, tmp_path / "c") == 3
    board = collect(Results.open(tmp_path / "c"))
    assert set(board.ranks()["method"]) == {"ridge", "knn", "mean", "perfect", "ceiling", "oracle"}
    single = collect(Results.open(two[0])).summary().query("method == 'ridge'").reset_index(drop=True)
    both = board.summary().query("method == 'ridge'").reset_index(drop=True)
    pd.testing.assert_frame_equal(both, single)
    assert not list(tmp_path.glob(".c*"))


def test_the_command(two, tmp_path):
    done = stbench("merge", *two, "--out", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    assert f"Wrote {tmp_path / 'c'}: 3 runs of 2 folders." in done.stdout
    again = stbench("merge", *two, "--out", tmp_path / "c")
    assert again.returncode == 1
    assert again.stderr.startswith("Error: '")
    assert "not empty" in again.stderr


def test_mixed_preparations_are_refused(two, tmp_path):
    for folder in runs(two[1]).values():
        edit(folder / "manifest.json", data_hash="0" * 64)
    with pytest.raises(
        StbenchError, match=r"Dataset 'planted' was prepared in two ways: \w{12} in '.*a', 0{12} in"
    ):
        merge(two, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_mixed_metric_versions_are_refused(two, tmp_path):
    file = runs(two[1])["knn"] / "scores.parquet"
    scores = pd.read_parquet(file)
    scores.loc[scores["metric"] == "js", "definition"] = "2"
    scores.to_parquet(file, index=False)
    with pytest.raises(StbenchError, match="Metric 'js' was scored by two versions: 1 in '.*a', 2 in '.*b'"):
        merge(two, tmp_path / "c")


def test_an_ok_run_is_taken_before_a_failed_one_and_the_newer_of_two(two, tmp_path):
    failed = runs(two[0])["ridge"]
    (failed / "prediction.h5ad").unlink()
    (failed / "scores.parquet").unlink()
    edit(failed / "manifest.json", status="failed", reason="boom", started="2999-01-01T00:00:00+00:00")
    edit(runs(two[1])["ridge"] / "manifest.json", threads=17)
    merge(two, tmp_path / "c")
    assert Results(tmp_path / "c").manifest(failed.name)["threads"] == 17
    edit(runs(two[0])["mean"] / "manifest.json", seed=0)
    shutil.copytree(runs(two[0])["mean"], two[1] / "runs" / runs(two[0])["mean"].name)
    edit(runs(two[1])["mean"] / "manifest.json", started="2999-01-01T00:00:00+00:00", threads=18)
    merge(two[::-1], tmp_path / "d")
    assert Results(tmp_path / "d").manifest(runs(two[0])["mean"].name)["threads"] == 18


def test_a_damaged_run_is_left_out_with_a_warning(two, tmp_path, caplog):
    file = runs(two[1])["knn"] / "prediction.h5ad"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert merge(two, tmp_path / "c") == 2
    assert any(
        "Left out, damaged" in line and "has changed since it was stored" in line for line in caplog.messages
    )


@pytest.mark.parametrize(
    "place", ["runs/{key}/prediction.h5ad", "datasets/odd", "runs/deadbeefdeadbeef", "splits/x.json"]
)
def test_links_are_refused_before_anything_is_read(two, tmp_path, place):
    secret = tmp_path / "secret"
    secret.write_text("not for strangers")
    link = two[1] / place.format(key=runs(two[1])["knn"].name)
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    with pytest.raises(StbenchError, match="is a link or a device"):
        merge(two, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_device_is_refused(two, tmp_path):
    os.mkfifo(two[0] / "runs" / "pipe")
    with pytest.raises(StbenchError, match="pipe' is a link or a device"):
        merge(two, tmp_path / "c")


def test_names_that_lead_out_of_the_folder_are_no_runs(two, tmp_path, caplog):
    edit(runs(two[1])["knn"] / "manifest.json", dataset="../../../escape")
    assert merge(two, tmp_path / "c") == 2
    assert any("is not a manifest: dataset" in line for line in caplog.messages)


def test_unknown_files_stay_behind(two, tmp_path):
    (runs(two[0])["mean"] / "evil.pkl").write_bytes(b"\x80\x04.")
    (two[0] / "setup.py").write_text("raise SystemExit")
    merge(two, tmp_path / "c")
    assert {path.name for path in (tmp_path / "c").rglob("*") if path.is_file()} == {
        "manifest.json", "prediction.h5ad", "log.txt", "scores.parquet", "dataset.json", "truth.h5ad",
        *(file.name for file in (two[0] / "splits").iterdir()),
    }  # fmt: skip


def test_scores_that_are_no_table_are_made_anew(two, tmp_path):
    (runs(two[0])["mean"] / "scores.parquet").write_bytes(b"\x80\x04K\x01.")
    merge(two, tmp_path / "c")
    scores = collect(Results.open(tmp_path / "c")).scores
    assert (scores.query("method == 'mean' and metric == 'pcc'")["value"] == 0).all()
    assert len(scores.query("method == 'mean' and metric == 'pcc'")) == 3


def test_another_truth_under_the_same_hash_is_refused(two, tmp_path):
    folder = next((two[1] / "datasets").glob("planted-*"))
    with (folder / "truth.h5ad").open("ab") as truth:
        truth.write(b"0")
    edit(folder / "dataset.json", truth_sha256=None)
    with pytest.raises(StbenchError, match=r"The truth of 'planted-\w{12}' was stored in two ways"):
        merge(two, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_no_results_folder(two, tmp_path):
    with pytest.raises(StbenchError, match="is not a results folder"):
        merge([*two, tmp_path], tmp_path / "c")


def test_a_folder_without_its_truth_is_refused(two, tmp_path):
    shutil.rmtree(next((two[1] / "datasets").glob("planted-*")))
    with pytest.raises(StbenchError, match="has no truth.h5ad"):
        merge(two, tmp_path / "c")
