"""What can go wrong on one machine: each fault is one row with its status, and harms no other run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import anndata
import numpy as np
import psutil
import pytest
from waiting import wait_for

from stbench import machine
from stbench.config.options import RunOptions
from stbench.errors import StbenchError
from stbench.runs.benchmark import run
from stbench.runs.claims import Claims
from stbench.runs.events import Reporter
from stbench.runs.results import Results
from stbench.runs.workspace import PREFIX, SETTLED_SECONDS, remove_dead

HARM = Path(__file__).parents[1] / "plugins" / "harmful_methods.py"
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")


class Counts(Reporter):
    """How many runs there are at once: now, and at most."""

    def __init__(self):
        self.most, self.now = 0, 0

    def started(self, spec):
        self.now += 1
        self.most = max(self.most, self.now)

    def finished(self, spec, manifest):
        self.now -= 1


def go(out, data, *methods, reporter=None, **options):
    config = RunOptions(
        methods=methods, datasets=("planted",), data=(data,), out=out, plugin=(HARM,), **options
    )
    return run(config, reporter)


def command(out, data, *more):
    base = [sys.executable, "-m", "stbench", "run", "--datasets", "planted", "--data", data, "--out", out]
    return [str(part) for part in [*base, "--plugin", HARM, *more]]


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


NAMES = [
    "sleeps", "grows", "child_grows", "writes", "daemon", "drops_genes", "half_file", "infinite", "bomb",
    "link", "forges", "talks", "clock", "removes",
]  # fmt: skip


@pytest.fixture(scope="module")
def harmed(tmp_path_factory, write_data):
    """One grid of all of them, with limits on memory and disk; records by method, and the results folder."""
    folder = tmp_path_factory.mktemp("harm")
    methods = [f"harm_{name}" for name in NAMES]
    out = folder / "out"
    summary = go(
        out, write_data(folder), *methods, jobs=2, memory_limit="1GB", disk_limit="50MB", timeout="5m"
    )
    return {record["method"].removeprefix("harm_"): record for record in summary.records.values()}, out


def test_every_harmful_run_is_one_row(harmed):
    records, out = harmed
    assert sorted(records) == sorted(NAMES)
    assert len(list((out / "runs").iterdir())) == len(NAMES)
    assert Results(out).damaged(thorough=True) == {}
    assert list((out / ".claims").glob("[!s]*")) == []


def test_a_run_that_grows_is_killed_at_its_limit(harmed):
    for name in ("grows", "child_grows"):
        record = harmed[0][name]
        assert record["status"] == "out_of_memory"
        assert record["reason"] == "its processes held more than 1 GB (--memory-limit)"
        assert 1e9 < record["peak_rss_bytes"] < 4e9


def test_a_run_that_writes_too_much_is_killed(harmed):
    record = harmed[0]["writes"]
    assert (record["status"], record["reason"]) == ("failed", "it wrote more than 0.05 GB (--disk-limit)")


def test_a_daemon_does_not_outlive_its_run(harmed):
    records, out = harmed
    assert records["daemon"]["status"] == "ok"
    log = (out / "runs" / records["daemon"]["key"] / "log.txt").read_text()
    assert not is_alive(int(log.split("daemon ")[1].split()[0]))


def test_a_broken_answer_is_invalid(harmed):
    found = {name: (r["status"], r["reason"]) for name, r in harmed[0].items()}
    assert found["drops_genes"][0] == "invalid"
    assert found["drops_genes"][1].startswith("the prediction has 2 genes instead of 3, 'Gene")
    assert found["half_file"][0] == "invalid"
    assert found["half_file"][1].startswith("the prediction file is damaged")
    assert found["infinite"] == ("invalid", "mean has 150 NaN or infinite values")
    assert found["bomb"][0] == "invalid"
    assert "unpacks to" in found["bomb"][1]
    assert found["link"][0] == "invalid"
    assert found["removes"][0] == "failed"


def test_what_a_method_says_about_itself_is_not_believed(harmed):
    records, out = harmed
    record = records["forges"]
    assert (record["method"], record["dataset"], record["seed"]) == ("harm_forges", "planted", 0)
    assert record["wall_s"] > 0
    assert (out / "runs" / record["key"]).is_dir()


def test_long_logs_are_kept_from_their_end(harmed):
    records, out = harmed
    assert records["talks"]["status"] == "ok"
    log = (out / "runs" / records["talks"]["key"] / "log.txt").read_bytes()
    assert len(log) < 1.1 * 2**20
    assert log.startswith(b"[the beginning is left out]")
    assert b"the last word" in log


def test_a_jumping_clock_in_the_method_changes_no_duration(harmed):
    record = harmed[0]["clock"]
    assert record["status"] == "ok"
    assert 0 < record["predict_s"] <= record["wall_s"]


def test_a_good_run_ends_in_silence(harmed):
    records, out = harmed
    assert (out / "runs" / records["sleeps"]["key"] / "log.txt").read_text() == "cpu ''\n"


def test_a_jumping_clock_of_the_engine_changes_no_duration(data_folder, tmp_path, monkeypatch):
    jumps = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    summary = go(tmp_path / "out", data_folder, "harm_sleeps", timeout="10m")
    (record,) = summary.records.values()
    assert record["status"] == "ok"
    assert 0 < record["wall_s"] < 600


def test_a_child_killed_from_outside_is_one_failed_row(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    marks = tmp_path / "marks"

    class Killer(Reporter):
        def progress(self, spec, seconds, state):
            if spec.method == "harm_sleeps" and marks.exists() and marks.read_text().endswith("\n"):
                os.kill(int(marks.read_text().split()[1]), signal.SIGKILL)

    settings = (f"harm_sleeps.marks={marks}", "harm_sleeps.seconds=600")
    summary = go(
        tmp_path / "out",
        data_folder,
        "harm_sleeps",
        "mean",
        reporter=Killer(),
        set=settings,
        jobs=1,
    )
    found = {record["method"]: (record["status"], record["reason"]) for record in summary.records.values()}
    killed = "the process ended with signal SIGKILL and without an outcome"
    assert found == {"harm_sleeps": ("failed", killed), "mean": ("ok", "")}


def test_runs_that_do_not_fit_together_wait(data_folder, tmp_path):
    counts = Counts()
    settings = ("harm_big.seconds=0.5",)
    options = {"reporter": counts, "set": settings, "seeds": 3, "jobs": 3}
    summary = go(tmp_path / "a", data_folder, "harm_big", memory_budget="2GB", **options)
    assert [record["status"] for record in summary.records.values()] == ["ok"] * 3
    assert counts.most == 1
    summary = go(tmp_path / "b", data_folder, "harm_big", memory_budget="500MB", **options)
    assert {r["reason"] for r in summary.records.values()} == {"needs about 1.0 GB, the grid may use 0.5 GB"}


@pytest.mark.parametrize(
    ("memory", "gigabytes"), [({}, 1.0), ({"memory_budget": "500MB"}, 0.5), ({"memory_limit": "1GB"}, 0.58)]
)
def test_a_method_is_scaled_only_where_memory_asks_for_it(data_folder, tmp_path, memory, gigabytes):
    summary = go(tmp_path, data_folder, "harm_scales", **memory)
    [(key, record)] = summary.records.items()
    assert (record["status"], record["parameters"]["gigabytes"]) == ("ok", 1.0)
    assert record["scaled"] == pytest.approx({} if gigabytes == 1 else {"gigabytes": gigabytes}, abs=0.001)
    assert record["memory_estimate_bytes"] == pytest.approx(gigabytes * 1e9, rel=0.01)
    prediction = anndata.read_h5ad(summary.results.run_folder(key) / "prediction.h5ad")
    assert prediction.X.max() == pytest.approx(gigabytes, abs=0.001)
    again = go(tmp_path, data_folder, "harm_scales")  # the run is stored, whatever memory it had
    assert again.records == summary.records
    assert not again.todo


def test_each_gpu_takes_one_run_and_cpu_runs_see_none(data_folder, tmp_path, monkeypatch):
    gpus = [{"name": "X", "driver": "1", "memory_bytes": 10**10, "uuid": f"GPU-{i}"} for i in range(2)]
    monkeypatch.setattr(machine, "gpus", lambda: gpus)
    monkeypatch.setattr(machine, "resolve", lambda device: "cuda")
    counts = Counts()
    out = tmp_path / "out"
    summary = go(out, data_folder, "harm_gpu", "harm_sleeps", seeds=3, jobs=1, reporter=counts)
    seen = {"harm_gpu": set(), "harm_sleeps": set()}
    for record in summary.records.values():
        assert record["status"] == "ok"
        log = (out / "runs" / record["key"] / "log.txt").read_text().splitlines()
        seen[record["method"]].add(tuple(log))
    assert seen["harm_gpu"] <= {("cuda:0 'GPU-0'",), ("cuda:0 'GPU-1'",)}
    assert seen["harm_sleeps"] == {("cpu ''",)}
    assert len(seen["harm_gpu"]) == 2
    assert 2 <= counts.most <= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": -1}, "--jobs does not take '-1': Input should be greater than or equal to 1"),
        ({"threads": 0}, "--threads does not take '0': Input should be greater than or equal to 1"),
        ({"memory_limit": "8"}, "--memory-limit takes a size such as 500MB, 8GB or 1.5TB, not '8'"),
        ({"disk_limit": "0GB"}, "--disk-limit takes a size"),
    ],
)
def test_limits_that_make_no_sense_are_refused(data_folder, tmp_path, options, message):
    with pytest.raises(StbenchError, match=message):
        go(tmp_path / "out", data_folder, "harm_sleeps", **options)


def test_two_grids_on_one_folder_make_no_run_twice(data_folder, tmp_path):
    marks, out = tmp_path / "marks", tmp_path / "out"
    more = ["--methods", "harm_sleeps", "--seeds", 4, "--jobs", 1]
    more += ["--set", f"harm_sleeps.marks={marks}", "--set", "harm_sleeps.seconds=0.5"]
    both = [
        subprocess.Popen(command(out, data_folder, *more), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(line.split()[0] for line in marks.read_text().splitlines()) == ["0", "1", "2", "3"]
    assert Results(out).damaged(thorough=True) == {}
    assert {record["status"] for record in Results(out).manifests()} == {"ok"}


def test_a_claim_ends_with_its_process(tmp_path):
    code = "import sys, time; from pathlib import Path; from stbench.runs.claims import Claims\n"
    code += "claims = Claims(Path(sys.argv[1])); print(claims.take('run'), flush=True); time.sleep(600)"
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline().strip() == "True"
    claims = Claims(tmp_path)
    assert claims.held("run")
    assert not claims.take("run")
    other.kill()
    other.wait()
    assert not claims.held("run")
    assert claims.take("run")
    claims.release("run")
    assert list(tmp_path.iterdir()) == []


def damage_manifest(folder):
    (folder / "manifest.json").write_text('{"key": "')


def damage_prediction(folder):
    (folder / "prediction.h5ad").write_bytes(b"nothing")


def lose_prediction(folder):
    (folder / "prediction.h5ad").unlink()


def be_another(folder):
    record = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(record | {"key": "0" * 16}))


def be_a_file(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("not a folder")


def test_damaged_runs_are_named_and_made_again(data_folder, tmp_path, caplog):
    out = tmp_path / "out"
    damages = [damage_manifest, damage_prediction, lose_prediction, be_another, be_a_file]
    summary = go(out, data_folder, "harm_sleeps", seeds=6, jobs=2)
    before = {key: prediction(out, key) for key in summary.records}
    intact, *others = sorted(before)
    for damage, key in zip(damages, others, strict=True):
        damage(out / "runs" / key)
    assert set(Results(out).damaged()) == {f"runs/{key}" for key in others}
    config = RunOptions(
        methods=("harm_sleeps",),
        datasets=("planted",),
        data=(data_folder,),
        out=out,
        seeds=6,
        jobs=2,
        plugin=(HARM,),
    )
    with caplog.at_level("INFO"):
        again = run(config)
    assert caplog.text.count("Made again because it is damaged: harm_sleeps · planted") == 5
    assert {spec.key for spec in again.todo} == set(others)
    assert Results(out).damaged(thorough=True) == {}
    for key, values in before.items():
        np.testing.assert_array_equal(prediction(out, key), values)
    assert intact not in {spec.key for spec in again.todo}


def test_a_damaged_truth_or_split_is_stored_anew(data_folder, tmp_path):
    out = tmp_path / "out"
    go(out, data_folder, "harm_sleeps")
    (truth,), (split,) = out.glob("datasets/*/truth.h5ad"), out.glob("splits/*.json")
    truth.write_bytes(truth.read_bytes()[:-100])
    split.write_text(split.read_text().replace("Gene", "Jean"))
    damaged = Results(out).damaged(thorough=True)
    assert set(damaged) == {str(truth.parent.relative_to(out)), str(split.relative_to(out))}
    go(out, data_folder, "harm_sleeps", seeds=2)
    assert Results(out).damaged(thorough=True) == {}


def prediction(out, key):
    return anndata.read_h5ad(out / "runs" / key / "prediction.h5ad").X


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 12 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(file, leave):
    """Write until nothing more fits, then give ``leave`` bytes back."""
    with file.open("wb", buffering=0) as filler:
        with suppress(OSError):
            while True:
                filler.write(bytes(1000))
        filler.truncate(file.stat().st_size - leave)


@root
def test_a_run_that_fills_the_disk_is_one_failed_row(data_folder, tmp_path, small_disk, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    summary = go(tmp_path / "out", data_folder, "harm_fills", "mean", jobs=1)
    found = {record["method"]: record for record in summary.records.values()}
    assert found["mean"]["status"] == "ok"
    assert found["harm_fills"]["status"] == "failed"
    assert "disk of its folder is full" in found["harm_fills"]["reason"]


@root
@pytest.mark.parametrize("leave", [0, 8_192, 16_384])
def test_a_full_disk_of_the_results_stops_the_grid_in_one_line(data_folder, small_disk, leave):
    out = small_disk / "out"
    go(out, data_folder, "harm_sleeps")
    fill(small_disk / "filler", leave)
    with pytest.raises(StbenchError, match="No space left on device"):
        go(out, data_folder, "harm_sleeps", "mean")
    assert Results(out).damaged(thorough=True) == {}
    assert len(Results(out).manifests()) == 1
    (small_disk / "filler").unlink()
    again = go(out, data_folder, "harm_sleeps", "mean")
    assert [spec.method for spec in again.todo] == ["mean"]
    assert {record["status"] for record in again.records.values()} == {"ok"}


@root
def test_a_read_only_folder_is_one_line(data_folder, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = subprocess.run(
        command(small_disk / "out", data_folder, "--methods", "mean"), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_killed_grid_leaves_no_process_and_its_scratch_is_removed_by_the_next(data_folder, tmp_path):
    scratch, marks = tmp_path / "scratch", tmp_path / "marks"
    scratch.mkdir()
    more = [
        "--methods",
        "harm_sleeps",
        "--set",
        "harm_sleeps.seconds=600",
        "--set",
        f"harm_sleeps.marks={marks}",
    ]
    grid = subprocess.Popen(
        command(tmp_path / "out", data_folder, *more),
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
    )
    child = int(wait_for(lambda: marks.exists() and marks.read_text()).split()[1])
    remove_dead(scratch)
    left = list(scratch.glob(f"{PREFIX}*"))
    assert len(left) == 2  # of a grid that lives nothing is removed
    grid.kill()
    grid.wait()
    wait_for(lambda: not is_alive(child))
    old = time.time() - 2 * SETTLED_SECONDS
    for lock in scratch.glob("*/lock"):
        os.utime(lock, (old, old))
    remove_dead(scratch)
    assert list(scratch.glob(f"{PREFIX}*")) == []
    summary = go(tmp_path / "out", data_folder, "harm_sleeps")
    assert [record["status"] for record in summary.records.values()] == ["ok"]


def test_a_grid_killed_at_any_moment_completes(tmp_path):
    script = Path(__file__).parents[2] / "benchmarks" / "faults.py"
    if not script.is_file():
        pytest.skip("needs the benchmarks folder of the checkout")
    done = subprocess.run([sys.executable, script, "--rounds", "6"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 rounds" in done.stdout
