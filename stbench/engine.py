"""The local engine: starts one child process per run, watches it, and keeps what it leaves.

A run that crashes, hangs or grows is one record with a status; the others never notice.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from stbench import devices
from stbench.errors import StbenchError
from stbench.evaluate import score_prediction
from stbench.files import read_json
from stbench.grid import RunSpec
from stbench.results import OK, Results, run_manifest
from stbench.taskfolder import InvalidPrediction
from stbench.workspace import Workspace

POLL_SECONDS = 0.05
GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Reporter(Protocol):
    """Hears what happens in the grid, to show it."""

    def started(self, spec: RunSpec) -> None: ...
    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None: ...
    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Options:
    """How runs are started: how many at once, with how many threads, for how long, with which plugins."""

    jobs: int = 1
    threads: int = 1
    timeout_s: float | None = None
    plugins: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass
class _Running:
    spec: RunSpec
    folder: Path
    process: subprocess.Popen
    started_at: str
    clock: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.clock


def run_grid(
    specs: Iterable[RunSpec], workspace: Workspace, results: Results, options: Options, reporter: Reporter
) -> None:
    """Run every spec and store its outcome; an interrupt kills what runs and keeps what finished."""
    waiting = deque(specs)
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                spec = waiting.popleft()
                reporter.started(spec)
                too_big = _too_big(spec)
                if too_big is not None:
                    _store(spec, results, reporter, options, {"status": "skipped", "reason": too_big})
                else:
                    running.append(_start(spec, workspace, options))
            for run in list(running):
                if run.process.poll() is not None:
                    running.remove(run)
                    _finish(run, results, reporter, options)
                elif options.timeout_s is not None and run.seconds > options.timeout_s:
                    running.remove(run)
                    _kill(run.process)
                    _finish(run, results, reporter, options, timed_out=True)
                else:
                    reporter.progress(run.spec, run.seconds, _state(run.folder))
            time.sleep(POLL_SECONDS)
    finally:
        for run in running:
            _kill(run.process)
            shutil.rmtree(run.folder, ignore_errors=True)


def _too_big(spec: RunSpec) -> str | None:
    available = devices.memory_bytes(spec.device)
    if spec.memory_bytes <= available:
        return None
    where = "GPU" if spec.device.startswith("cuda") else "machine"
    return f"needs about {spec.memory_bytes / 1e9:.1f} GB, the {where} has {available / 1e9:.1f} GB"


def _start(spec: RunSpec, workspace: Workspace, options: Options) -> _Running:
    folder = workspace.run_folder(spec, {"threads": options.threads, "plugins": list(options.plugins)})
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stbench.child", str(folder), "--end-with-stdin"],
            cwd=folder,
            env=_environment(folder, options.threads),
            stdin=subprocess.PIPE,  # never written to; closes when this process dies
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its own process group, so that a kill reaches its children too
        )
    return _Running(spec, folder, process, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))


def _environment(folder: Path, threads: int) -> dict[str, str]:
    """The child's environment: no way to the data, its own temporary folder, a fixed number of threads."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STBENCH_")}
    kept.pop("PWD", None)
    kept.pop("OLDPWD", None)
    return kept | {"TMPDIR": str(folder)} | dict.fromkeys(THREAD_VARIABLES, str(threads))


def _finish(
    run: _Running, results: Results, reporter: Reporter, options: Options, *, timed_out: bool = False
) -> None:
    _kill(run.process)  # children that the method left behind
    outcome = _outcome(run, options, timed_out)
    scores = None
    if outcome["status"] == OK:
        try:
            scores = score_prediction(results, run.spec, run.folder / "prediction.h5ad")
        except InvalidPrediction as error:
            outcome |= {"status": "invalid", "reason": str(error)}
    outcome |= {"started": run.started_at, "wall_s": run.seconds}
    _store(run.spec, results, reporter, options, outcome, run.folder, scores)
    shutil.rmtree(run.folder, ignore_errors=True)


def _outcome(run: _Running, options: Options, timed_out: bool) -> dict[str, Any]:
    if timed_out:
        return {"status": "timeout", "reason": f"killed after {options.timeout_s:g} s (--timeout)"}
    file = run.folder / "outcome.json"
    if file.is_file():
        with suppress(StbenchError):
            return read_json(file)
    code = run.process.returncode
    if code == -signal.SIGKILL:
        return {
            "status": "out_of_memory",
            "reason": "killed by the system (signal 9), as it does when memory is short",
        }
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return {"status": "failed", "reason": f"the process ended with {how} and without an outcome"}


def _store(
    spec: RunSpec,
    results: Results,
    reporter: Reporter,
    options: Options,
    outcome: dict[str, Any],
    work: Path | None = None,
    scores: Any = None,
) -> None:
    environment = {
        "threads": options.threads,
        "command": list(options.command),
        "python": sys.version.split()[0],
        "hardware": devices.hardware(),
    }
    manifest = run_manifest(spec, **outcome, **environment)
    results.store_run(manifest, work, scores)
    reporter.finished(spec, manifest)


def _state(folder: Path) -> dict[str, Any]:
    """What the method last said of its progress; empty before it said anything."""
    try:
        return json.loads((folder / "progress.json").read_text())
    except (OSError, ValueError):
        return {}


def _kill(process: subprocess.Popen) -> None:
    """End the whole process group: first politely, then for good."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
