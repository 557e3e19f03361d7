"""Watching a grid, job arrays, and what a machine and a manifest say: status, events, run-one, doctor."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import stbench
from waiting import wait_for

from stbench.api import doctor
from stbench.config.options import RunOptions
from stbench.errors import StbenchError
from stbench.method import Method, MethodInfo
from stbench.runs.benchmark import run
from stbench.runs.claims import Claims
from stbench.runs.events import EventLog, Reporter, read_events
from stbench.runs.results import Results
from stbench.runs.slurm import read_spec
from stbench.runs.status import RunState, survey, time_left
from stbench.runs.times import Times

ODD = Path(__file__).parents[1] / "plugins" / "odd_methods.py"
ROOT = Path(__file__).parents[2]


def go(out, data, *methods, **options):
    config = RunOptions(
        methods=methods, datasets=("planted",), data=(data,), out=out, plugin=(ODD,), jobs=2, **options
    )
    return run(config)


@pytest.fixture(scope="module")
def done(tmp_path_factory, write_data):
    """A grid of two runs, one of them failed."""
    folder = tmp_path_factory.mktemp("status")
    summary = go(folder / "out", write_data(folder), "odd_fine", "odd_raises")
    return folder / "out", summary


def test_events_tell_the_life_of_every_run(done):
    out, summary = done
    for key, record in summary.records.items():
        events = [event for event in read_events(out / "events.jsonl") if event["key"] == key]
        names = [event["event"] for event in events if event["event"] != "progress"]
        assert names == ["planned", "started", "finished"]
        assert events[-1]["status"] == record["status"]
        assert events[-1]["wall_s"] == record["wall_s"]


def test_a_line_that_was_cut_off_spoils_no_other(done, tmp_path):
    file = tmp_path / "events.jsonl"
    _, summary = done
    first, second = summary.todo
    log = EventLog(file, Reporter())
    log.planned([first], Times())
    log.close()
    file.write_bytes(file.read_bytes() + b'{"time": "20')
    log = EventLog(file, Reporter())
    log.planned([second], Times())
    log.close()
    assert [event["key"] for event in read_events(file)] == [first.key, second.key]


def test_status_says_what_is_done_running_failed_and_waiting(done, data_folder):
    out, _ = done
    results = Results.open(out)
    log = EventLog(results.events_file, Reporter())
    ghosts = [f"{i:016x}" for i in range(2)]
    for key, name in zip(ghosts, ("waits", "runs"), strict=True):
        with results.events_file.open("a") as file:
            planned = {
                "time": "",
                "event": "planned",
                "key": key,
                "title": name,
                "method": name,
                "dataset": "x",
            }
            file.write(json.dumps(planned) + "\n")
    log.close()
    claims = Claims(results.claims_folder)
    assert claims.take(ghosts[1])
    found = {state.method: state for state in survey(results)}
    claims.release(ghosts[1])
    assert {name: state.status for name, state in found.items()} == {
        "odd_fine": "ok",
        "odd_raises": "failed",
        "waits": "waiting",
        "runs": "running",
    }
    assert found["odd_raises"].reason.startswith("ValueError: the inner reason (odd_methods.py:")
    assert "the inner reason" in Path(found["odd_raises"].log).read_text()

    shown = stbench("status", out)
    assert shown.returncode == 0
    assert "failed: odd_raises · planted · split 0 · seed 0: ValueError: the inner reason" in " ".join(
        shown.stdout.split()
    )
    lines = [json.loads(line) for line in stbench("status", out, "--json").stdout.splitlines()]
    assert {line["method"]: line["status"] for line in lines}["runs"] == "waiting"
    printed = stbench("status", out, "--log", found["odd_raises"].key)
    assert "ValueError: the inner reason" in printed.stdout
    wrong = stbench("status", out, "--log", "../x")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 1)
    unplanned = [line for line in results.events_file.read_text().splitlines() if ghosts[0] not in line]
    results.events_file.write_text("\n".join(line for line in unplanned if ghosts[1] not in line) + "\n")


def test_json_with_watch_is_the_stream_of_events(done):
    out, _ = done
    lines = stbench("status", out, "--json", "--watch").stdout.splitlines()
    assert [json.loads(line) for line in lines] == list(read_events(out / "events.jsonl"))
    assert stbench("status", out, "--watch").returncode == 0


def test_the_time_left_counts_what_is_left_at_the_present_pace():
    now = datetime.datetime.now(datetime.UTC).isoformat()
    times = Times()
    times.add("a", 10.0)
    times.add("b", 30.0)

    def state(like, status, **more):
        return RunState(f"{like}{status}", "", like, "d", status, likeness=like, **more)

    states = [
        state("a", "ok", wall_s=10.0),
        state("a", "waiting"),
        state("c", "waiting"),
        state("b", "running", started=now),
        state("a", "running", started="2000-01-01T00:00:00+00:00"),
    ]
    left = time_left(states, times)
    assert left.seconds == pytest.approx(30, abs=1)  # the longest; (10 + 30) / 2 for all
    assert (left.n_known, left.n_unknown) == (2, 2)


def test_a_job_array_makes_the_runs_of_a_grid(done, data_folder, tmp_path):
    out = tmp_path / "with space"
    base = ["run", "--methods", "odd_fine,odd_raises", "--datasets", "planted", "--data", data_folder]
    base += ["--out", out, "--plugin", ODD, "--timeout", "90s", "--threads", "1"]
    emitted = stbench(*base, "--emit", "slurm")
    assert emitted.returncode == 0, emitted.stderr
    (script,) = (out / "slurm").glob("*.sh")
    assert f"2 runs. Submit them with: sbatch {script}" in emitted.stdout
    text = script.read_text()
    for line in ("--array=0-1", "--cpus-per-task=1", "--time=12", "--mem="):
        assert f"#SBATCH {line}" in text
    assert "gres" not in text
    codes = {}
    for i in range(2):
        task = subprocess.run(
            ["bash", script],
            env=os.environ | {"SLURM_ARRAY_TASK_ID": str(i)},
            capture_output=True,
            check=False,
        )
        codes[read_spec(out / "slurm" / "cpu-0" / f"{i}.json")[0].method] = task.returncode
    assert codes == {"odd_fine": 0, "odd_raises": 1}
    records = {record["key"]: record["status"] for record in Results(out).manifests()}
    assert records == {key: record["status"] for key, record in done[1].records.items()}
    assert "Nothing to do" in stbench(*base).stdout


def test_a_run_file_of_another_time_is_one_clear_error(tmp_path):
    file = tmp_path / "0.json"
    file.write_text('{"format": 1}')
    with pytest.raises(StbenchError, match="is not a run of this stbench"):
        read_spec(file)


def test_a_manifest_says_which_code_ran_where(done):
    record = next(r for r in done[1].records.values() if r["method"] == "odd_fine")
    assert set(record["hardware"]) == {"system", "cpu", "cores", "memory_bytes", "gpus"}
    assert record["threads"] >= 1
    assert set(record["threads_used"].values()) == {record["threads"]}
    assert 0 < record["cpu_s"] < 60  # of the run alone: a forked process has imported nothing itself
    if (ROOT / ".git").exists():
        head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
        assert len(record["git"]["commit"]) == len(head.stdout.strip())
        assert isinstance(record["git"]["changed"], bool)


def test_doctor_says_what_is_missing_for_which_method():
    found = doctor()
    assert found["machine"]["python"].startswith(sys.version.split()[0])
    assert found["missing"]["mean"] == ""

    class Lacking(Method):
        info = MethodInfo("lacking", "baseline", "", "", "1", packages=("numpy", "no-such-package"))

    assert Lacking.missing() == "needs no-such-package: pip install no-such-package"
    shown = stbench("doctor", "--plugin", ODD)
    assert shown.returncode == 0
    assert ["odd_fine", "can run here"] in [line.split(maxsplit=1) for line in shown.stdout.splitlines()]


def test_a_job_that_the_cluster_killed_goes_on_from_its_checkpoint(data_folder, tmp_path):
    """As in a job array whose time is over: the job is killed as a whole, and handed in again."""
    out = tmp_path / "out"
    go(out, data_folder, "odd_resumes", emit="slurm", threads=1)
    (file,) = (out / "slurm" / "cpu-0").glob("*.json")
    command = [sys.executable, "-m", "stbench", "run-one", str(file)]
    first = subprocess.Popen(command, start_new_session=True)
    wait_for(lambda: list((out / "checkpoints").glob("[!.]*")) if (out / "checkpoints").exists() else [])
    first.kill()
    first.wait()
    assert subprocess.run([*command, "--threads", "2"], check=False).returncode == 0
    (manifest,) = Results.open(out).manifests()
    assert (manifest["status"], manifest["threads"]) == ("ok", 2)
    assert "try 2" in (out / "runs" / manifest["key"] / "log.txt").read_text()
    assert list((out / "checkpoints").iterdir()) == []
