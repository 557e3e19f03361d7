"""The runner from end to end: statuses, isolation, resume. Every run is a real child process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest
from waiting import wait_for

from stbench.board.collect import collect
from stbench.config.options import RunOptions
from stbench.runs.benchmark import run
from stbench.runs.events import Reporter
from stbench.runs.results import Results

ODD = Path(__file__).parents[1] / "plugins" / "odd_methods.py"


def go(out, data, methods, **options):
    config = RunOptions(
        methods=tuple(methods), datasets=("planted",), data=(data,), out=out, plugin=(ODD,), **options
    )
    return run(config)


def statuses(summary):
    return {record["method"]: (record["status"], record["reason"]) for record in summary.records.values()}


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory, write_data):
    """One grid of every odd method, and its results folder."""
    folder = tmp_path_factory.mktemp("odd")
    data = write_data(folder)
    names = [
        "fine",
        "raises",
        "target",
        "hangs",
        "exits",
        "segfault",
        "killed",
        "memory",
        "estimate",
        "shape",
    ]
    methods = [f"odd_{name}" for name in [*names, "nan", "unsupported"]]
    return go(folder / "out", data, methods, timeout="12s", jobs=2), folder


def test_every_fault_is_one_row_with_its_status(odd_run):
    summary, _ = odd_run
    found = statuses(summary)
    assert found["odd_fine"] == ("ok", "")
    status, reason = found["odd_raises"]
    assert (status, reason.split(" (")[0]) == ("failed", "ValueError: the inner reason")
    assert found["odd_target"][0] == "failed"
    assert "is a target: its spatial values are hidden" in found["odd_target"][1]
    assert found["odd_target"][1].endswith(": return task.spatial[:, task.targets].X.toarray())")
    assert found["odd_hangs"] == ("timeout", "killed after 12 s (--timeout)")
    assert found["odd_exits"] == ("failed", "the process ended with exit code 3 and without an outcome")
    assert found["odd_segfault"][0] == "failed"
    assert "SIGSEGV" in found["odd_segfault"][1]
    killed = "the process ended with signal SIGKILL and without an outcome"
    assert found["odd_killed"] == ("failed", killed)
    assert found["odd_memory"][0] == "out_of_memory"
    assert found["odd_estimate"][0] == "skipped"
    assert found["odd_shape"] == ("invalid", "mean has shape (50, 2) instead of (50, 3) (spots, targets)")
    assert found["odd_nan"] == ("invalid", "mean has 1 NaN or infinite values")
    assert found["odd_unsupported"] == ("unsupported", "needs a second tissue")
    assert len(summary.bad) == 9


def test_a_timeout_kills_the_children_too(odd_run):
    summary, folder = odd_run
    record = next(r for r in summary.records.values() if r["method"] == "odd_hangs")
    log = (folder / "out" / "runs" / record["key"] / "log.txt").read_text()
    child = int(log.split("child ")[1].split()[0])
    assert wait_for(lambda: not alive(child))


def test_manifest_says_where_the_number_comes_from(odd_run):
    summary, _ = odd_run
    record = next(r for r in summary.records.values() if r["method"] == "odd_fine")
    assert record["peak_rss_bytes"] > 10_000_000
    assert record["wall_s"] > 0
    assert record["versions"]["numpy"]
    assert record["hardware"]["cores"] >= 1
    assert record["split"]["rotation"] == 0
    assert record["seed"] == 0
    assert record["parameters"] == {"scale": 1.0, "mode": False}


def test_the_child_has_its_own_folder_and_no_way_to_the_data(odd_run):
    summary, folder = odd_run
    record = next(r for r in summary.records.values() if r["method"] == "odd_fine")
    log = (folder / "out" / "runs" / record["key"] / "log.txt").read_text()
    assert str(folder) not in log
    assert "STBENCH" not in log


def test_run_folder_holds_prediction_scores_log(odd_run):
    summary, folder = odd_run
    for record in summary.records.values():
        names = {path.name for path in (folder / "out" / "runs" / record["key"]).iterdir()}
        if record["status"] == "ok":
            assert names == {"manifest.json", "prediction.h5ad", "log.txt", "scores.parquet"}
        else:
            assert names <= {"manifest.json", "log.txt"}


def test_second_call_has_nothing_to_do_and_failed_can_be_repeated(odd_run):
    _, folder = odd_run
    methods = ["odd_fine", "odd_raises", "odd_shape"]
    again = go(folder / "out", folder / "data", methods, timeout="12s")
    assert (len(again.specs), len(again.todo)) == (3, 0)
    assert len(again.bad) == 2
    failed = go(folder / "out", folder / "data", methods, timeout="12s", overwrite="failed")
    assert {spec.method for spec in failed.todo} == {"odd_raises", "odd_shape"}


def test_board_has_a_row_for_everything(odd_run):
    _, folder = odd_run
    board = collect(Results.open(folder / "out"))
    assert set(board.runs["status"]) == {
        "ok", "failed", "timeout", "out_of_memory", "invalid", "unsupported", "skipped",
    }  # fmt: skip
    assert set(board.scores["method"]) == {"odd_fine", "perfect", "ceiling", "oracle"}
    perfect = board.scores[(board.scores["method"] == "perfect") & (board.scores["metric"] == "pcc")]
    assert perfect["value"].min() > 1 - 1e-9


def test_scores_of_an_older_definition_are_made_anew(odd_run):
    summary, folder = odd_run
    record = next(r for r in summary.records.values() if r["method"] == "odd_fine")
    file = folder / "out" / "runs" / record["key"] / "scores.parquet"
    kept = pd.read_parquet(file)
    old = kept.copy()
    old.loc[old["metric"] == "pcc", ["definition", "value"]] = ["0", 9.0]
    old[old["metric"] != "ssim"].to_parquet(file, index=False)
    collect(Results.open(folder / "out"))
    key = ["gene", "metric"]
    renewed = pd.read_parquet(file)
    pd.testing.assert_frame_equal(
        renewed.sort_values(key, ignore_index=True)[kept.columns], kept.sort_values(key, ignore_index=True)
    )


def test_an_older_run_of_the_same_cell_is_left_out_with_a_warning(data_folder, tmp_path, caplog):
    out = tmp_path / "out"
    record = next(iter(go(out, data_folder, ["odd_fine"]).records.values()))
    older = record | {"key": "0" * 16, "started": "2000-01-01T00:00:00", "parameters": {"scale": 9.0}}
    shutil.copytree(out / "runs" / record["key"], out / "runs" / older["key"])
    (out / "runs" / older["key"] / "manifest.json").write_text(json.dumps(older))
    caplog.clear()
    board = collect(Results.open(out))
    assert len(board.runs) == 1
    assert caplog.messages == [
        "1 older runs left out: their dataset was prepared again, or method or preset has changed."
    ]


def test_parameters_seeds_and_splits_make_runs_of_their_own(data_folder, tmp_path):
    first = go(tmp_path / "out", data_folder, ["odd_fine"], seeds=2, splits=2)
    assert len(first.todo) == 4
    second = go(tmp_path / "out", data_folder, ["odd_fine"], set=("odd_fine.scale=2",))
    assert len(second.todo) == 1
    assert second.todo[0].label == "odd_fine(scale=2.0)"
    assert second.todo[0].parameters == {"scale": 2.0, "mode": False}


def test_interrupt_keeps_what_finished(data_folder, tmp_path):
    out = tmp_path / "out"
    # a job in the background of a script starts with SIGINT ignored, and hands that on
    code = "import signal; signal.signal(2, signal.default_int_handler)\nfrom stbench.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "--methods"]
    command += ["odd_fine,odd_hangs", "--datasets", "planted", "--data", str(data_folder), "--jobs", "1"]
    command += ["--out", str(out), "--plugin", str(ODD)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("start odd_hangs"):
            break
    process.send_signal(2)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished runs are kept" in stderr
    records = [json.loads(file.read_text()) for file in out.glob("runs/*/manifest.json")]
    assert [(r["method"], r["status"]) for r in records] == [("odd_fine", "ok")]
    assert not list(out.glob("runs/.*"))


def test_a_killed_engine_leaves_no_run_behind(data_folder, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", "from stbench.cli import main; main()", "run", "--methods", "odd_hangs"]
    command += ["--datasets", "planted", "--data", str(data_folder), "--out", str(tmp_path / "r")]
    environment = os.environ | {"TMPDIR": str(scratch)}
    process = subprocess.Popen([*command, "--plugin", str(ODD)], stdout=subprocess.DEVNULL, env=environment)
    log = wait_for(lambda: next((f for f in scratch.glob("*/log.txt") if "child " in f.read_text()), None))
    grandchild = int(log.read_text().split("child ")[1].split()[0])
    process.kill()
    process.wait()
    assert wait_for(lambda: not alive(grandchild))


def alive(pid):
    """Whether the sleeping child of ``odd_hangs`` still runs; a zombie waits for its new parent only."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "time.sleep(600)" in process.cmdline()[-1]
    except (psutil.NoSuchProcess, IndexError):
        return False


def test_progress_reaches_the_reporter(data_folder, tmp_path):
    states = []

    class Remembers(Reporter):
        def progress(self, spec, seconds, state):
            if state:
                states.append(state)

    config = RunOptions(
        methods=("odd_hangs",), datasets=("planted",), data=(data_folder,), out=tmp_path / "out",
        plugin=(ODD,), timeout="5s",
    )  # fmt: skip
    run(config, Remembers())
    assert states[-1] == {"done": 1, "total": 3, "info": {"loss": 0.5}}


def test_no_scratch_is_left_behind(data_folder, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    go(tmp_path / "out", data_folder, ["odd_fine", "odd_raises"])
    assert list(os.scandir(scratch)) == []


def test_a_run_that_did_not_end_goes_on_from_its_checkpoint(data_folder, tmp_path):
    out = tmp_path / "out"
    first = go(out, data_folder, ["odd_resumes"], timeout="10s")
    (key,) = first.records
    assert statuses(first)["odd_resumes"][0] == "timeout"
    assert (out / "checkpoints" / key).read_text() == "1"
    second = go(out, data_folder, ["odd_resumes"], overwrite="failed")
    assert statuses(second)["odd_resumes"] == ("ok", "")
    assert "try 2" in (out / "runs" / key / "log.txt").read_text()
    assert not list((out / "checkpoints").iterdir())  # nothing is left of a run that is done
