"""The Dask engine, on a real scheduler and workers in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import psutil
import pytest
from waiting import wait_for

from stbench.api import choose
from stbench.config.options import RunOptions
from stbench.errors import StbenchError
from stbench.runs.benchmark import run
from stbench.runs.events import Reporter
from stbench.runs.results import Results

pytest.importorskip("distributed")

HARM = Path(__file__).parents[1] / "plugins" / "harmful_methods.py"
QUICK = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}


class Cluster:
    """A scheduler and its workers, started as a user starts them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes = []
        self.scheduler = self.start("scheduler", "--port", "0", "--scheduler-file", self.file)
        wait_for(lambda: self.file.is_file() and self.file.read_text().endswith("}"))

    def start(self, *arguments) -> subprocess.Popen:
        command = [sys.executable, "-m", "dask", *map(str, arguments), "--no-dashboard"]
        process = subprocess.Popen(
            command, env=os.environ | QUICK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def worker(self, *arguments, nanny="--no-nanny") -> subprocess.Popen:
        local = ["--local-directory", self.folder, "--death-timeout", "20", nanny]
        return self.start("worker", "--scheduler-file", self.file, "--nthreads", "1", *local, *arguments)

    def close(self) -> None:
        for process in reversed(self.processes):
            for child in (
                psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            ):
                child.kill()
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    yield cluster
    cluster.close()


def go(out, data, *methods, reporter=None, **options):
    config = RunOptions(
        methods=methods, datasets=("planted",), data=(data,), out=out, plugin=(HARM,), threads=1, **options
    )
    return run(config, reporter)


def on(cluster):
    return {"executor": "dask", "scheduler": str(cluster.file)}


def predictions(out):
    folders = (out / "runs").glob("[!.]*")
    return {
        f.name: anndata.read_h5ad(f / "prediction.h5ad").X for f in folders if (f / "scores.parquet").exists()
    }


def test_results_and_faults_are_those_of_the_local_engine(cluster, data_folder, tmp_path):
    cluster.worker()
    cluster.worker()
    methods = ["random", "harm_sleeps", "harm_grows", "harm_infinite", "harm_half_file", "harm_daemon"]
    options = {"memory_limit": "1GB", "timeout": "5m"}
    local = go(tmp_path / "local", data_folder, *methods, jobs=2, **options)
    there = go(tmp_path / "dask", data_folder, *methods, **on(cluster), **options)
    outcomes = [{k: (r["status"], r["reason"]) for k, r in s.records.items()} for s in (local, there)]
    assert outcomes[0] == outcomes[1]
    assert sorted(status for status, _ in outcomes[1].values()) == [
        "invalid", "invalid", "ok", "ok", "ok", "out_of_memory",
    ]  # fmt: skip
    expected, found = predictions(tmp_path / "local"), predictions(tmp_path / "dask")
    assert len(found) == 3
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values)
    for record in there.records.values():
        assert record["hardware"]["cores"] >= 1
        assert record["wall_s"] > 0
        assert (tmp_path / "dask" / "runs" / record["key"] / "log.txt").is_file()
    assert list(cluster.folder.rglob("stbench-run-*")) == []


def test_a_shared_folder_and_resources(cluster, data_folder, tmp_path):
    cluster.worker("--resources", "MEMORY=2e9")
    shared = tmp_path / "shared"
    shared.mkdir()
    settings = ("harm_big.gigabytes=1",)
    there = go(tmp_path / "a", data_folder, "harm_big", "random", **on(cluster), shared=shared, set=settings)
    assert [record["status"] for record in there.records.values()] == ["ok", "ok"]
    assert list(shared.iterdir()) == []
    settings = ("harm_big.gigabytes=9",)
    there = go(tmp_path / "b", data_folder, "harm_big", **on(cluster), set=settings)
    (record,) = there.records.values()
    expected = ("skipped", "needs about 9.0 GB, the largest worker has 2.0 GB")
    assert (record["status"], record["reason"]) == expected


def in_background(function):
    """Start ``function``; the list gets its result, or the error that it raised."""
    result = []

    def body():
        try:
            result.append(function())
        except StbenchError as error:
            result.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    return thread, result


def first_mark(marks):
    return wait_for(lambda: marks.exists() and marks.read_text().endswith("\n") and marks.read_text().split())


def test_a_worker_killed_in_mid_grid_costs_nothing_but_time(cluster, data_folder, tmp_path):
    first, second, marks = cluster.worker(), cluster.worker(), tmp_path / "marks"
    settings = (f"harm_sleeps.marks={marks}", "harm_sleeps.seconds=2")
    out = tmp_path / "out"
    thread, result = in_background(
        lambda: go(out, data_folder, "harm_sleeps", seeds=5, set=settings, **on(cluster))
    )
    child = psutil.Process(int(first_mark(marks)[1]))
    host = next(w for w in (first, second) if w.pid in {p.pid for p in child.parents()})
    host.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_alive(child.pid))
    thread.join(300)
    assert [record["status"] for record in result[0].records.values()] == ["ok"] * 5
    assert Results(out).damaged(thorough=True) == {}
    assert len(marks.read_text().splitlines()) >= 6  # one run was begun twice


def test_a_run_that_always_loses_its_worker_is_one_failed_row(cluster, data_folder, tmp_path):
    cluster.worker(nanny="--nanny")
    marks = tmp_path / "marks"
    settings = (f"harm_sleeps.marks={marks}", "harm_sleeps.seconds=600")
    thread, result = in_background(
        lambda: go(tmp_path / "out", data_folder, "harm_sleeps", set=settings, **on(cluster))
    )
    killed = set()
    while thread.is_alive():
        for line in marks.read_text().splitlines() if marks.exists() else []:
            pid = int(line.split()[1])
            if pid not in killed:
                killed.add(pid)
                psutil.Process(pid).parent().kill()
        time.sleep(0.1)
    (record,) = result[0].records.values()
    assert record["status"] == "failed"
    assert record["reason"].startswith("no worker could make the run: KilledWorker")
    assert len(killed) == 2


def test_a_lost_scheduler_ends_the_grid_in_one_line_and_the_next_completes(cluster, data_folder, tmp_path):
    cluster.worker()
    marks, out = tmp_path / "marks", tmp_path / "out"
    quick = go(out, data_folder, "random", **on(cluster))
    settings = (f"harm_sleeps.marks={marks}", "harm_sleeps.seconds=600")
    thread, result = in_background(
        lambda: go(out, data_folder, "random", "harm_sleeps", set=settings, **on(cluster))
    )
    child = int(first_mark(marks)[1])
    cluster.scheduler.kill()
    thread.join(300)
    assert isinstance(result[0], StbenchError)
    assert "connection to the Dask scheduler is lost" in str(result[0])
    wait_for(lambda: not is_alive(child))
    assert Results(out).damaged(thorough=True) == {}
    assert {record["key"] for record in Results(out).manifests()} == set(quick.records)
    again = go(out, data_folder, "random", "harm_sleeps")
    assert [spec.method for spec in again.todo] == ["harm_sleeps"]
    assert {record["status"] for record in again.records.values()} == {"ok"}


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_interrupted_grid_leaves_no_run_on_the_workers(cluster, data_folder, tmp_path):
    cluster.worker()
    marks = tmp_path / "marks"
    settings = (f"harm_sleeps.marks={marks}", "harm_sleeps.seconds=600")

    class Interrupts(Reporter):
        def progress(self, spec, seconds, state):
            if marks.exists() and marks.read_text().endswith("\n"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(
            tmp_path / "o",
            data_folder,
            "harm_sleeps",
            set=settings,
            reporter=Interrupts(),
            **on(cluster),
        )
    child = int(first_mark(marks)[1])
    wait_for(lambda: not is_alive(child))


def test_a_cluster_file_starts_a_cluster(data_folder, tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text(
        'class = "distributed.LocalCluster"\njobs = 1\n'
        "[options]\nn_workers = 1\nthreads_per_worker = 1\ndashboard_address = ':0'\n"
    )
    summary = go(tmp_path / "out", data_folder, "random", executor="dask", cluster=file)
    assert [record["status"] for record in summary.records.values()] == ["ok"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "dask"}, "needs one of --scheduler ADDRESS and --cluster FILE"),
        ({"scheduler": "tcp://x:1"}, "--scheduler needs --executor dask"),
        ({"executor": "dask", "scheduler": "nonsense://x"}, "no Dask scheduler answers there"),
        ({"executor": "dask", "cluster": Path("missing.toml")}, "Cluster file 'missing.toml' needs class"),
    ],
)
def test_mistakes_are_one_clear_error(data_folder, tmp_path, options, message):
    with pytest.raises(StbenchError, match=message):
        go(tmp_path / "out", data_folder, "random", **options)


def test_a_cluster_file_names_a_class_of_dask_only(data_folder, tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text('class = "os.system"\n')
    with pytest.raises(StbenchError, match="class is one of dask_jobqueue or distributed"):
        go(tmp_path / "out", data_folder, "random", executor="dask", cluster=file)


def test_choose_makes_its_runs_on_the_cluster(cluster, data_folder, tmp_path):
    cluster.worker()
    options = {"methods": "mean,ridge_genes", "splits": 2}
    local = choose(data_folder / "planted", out=tmp_path / "local", jobs=1, **options)
    there = choose(data_folder / "planted", out=tmp_path / "dask", **options, **on(cluster))
    pd.testing.assert_frame_equal(there.genes, local.genes)
    assert there.chosen == local.chosen
    manifests = [json.loads(file.read_text()) for file in (tmp_path / "dask").rglob("manifest.json")]
    assert len(manifests) == 8  # two methods, two rotations, inner and outer
    assert all("threads" in manifest for manifest in manifests)


def test_an_interrupted_run_goes_on_from_its_checkpoint_on_another_worker(cluster, data_folder, tmp_path):
    out, odd = tmp_path / "out", HARM.with_name("odd_methods.py")
    worker = cluster.worker()
    options = {"methods": "odd_resumes", "datasets": "planted", "data": data_folder, "out": out}
    options = RunOptions(**options, plugin=odd, threads=1, **on(cluster))

    class Interrupts(Reporter):
        def progress(self, spec, seconds, state):
            if (out / "checkpoints" / spec.key).is_file():
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(options, Interrupts())
    (kept,) = (out / "checkpoints").iterdir()
    assert kept.read_text() == "1"
    worker.kill()
    cluster.worker()
    (manifest,) = run(options).records.values()
    assert manifest["status"] == "ok"
    assert "try 2" in (out / "runs" / manifest["key"] / "log.txt").read_text()
    assert list((out / "checkpoints").iterdir()) == []
