"""One run: a child process in a folder of its own, watched against its limits, and what came of it.

Every engine starts runs through `Child`, so isolation, limits and results are the same everywhere.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stbench import machine as devices
from stbench.errors import StbenchError
from stbench.files import read_json, write_json
from stbench.runs import process_tree as watch
from stbench.runs.manifest import STATUSES

GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL
WATCH_SECONDS = 0.25  # between two looks at memory and disk
MAX_OUTCOME_BYTES = 1 << 20
CHILD_FIELDS = (  # what a child may say about itself
    "status", "reason", "load_s", "predict_s", "cpu_s", "peak_rss_bytes", "gpu", "versions",
    "threads_used",
)  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """What a run may use before it is killed: wall time, memory of all its processes, disk in its folder."""

    timeout_s: float | None = None
    memory_bytes: int = sys.maxsize
    disk_bytes: int = sys.maxsize


def new_run_folder(task: Path, description: dict[str, Any], prefix: str) -> Path:
    """A fresh folder with a copy of ``task`` in it; ``description`` completes its ``task.json``."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    shutil.copytree(task, folder / "task")
    write_json(folder / "task" / "task.json", read_json(folder / "task" / "task.json") | description)
    return folder


class Child:
    """The running process of one run; `poll` until it returns the outcome.

    ``folder`` holds ``task``; it is left with ``log.txt`` and, after a good run, ``prediction.h5ad``.
    ``gpu`` is what the child sees as ``CUDA_VISIBLE_DEVICES``; empty: none; None: as in this process.
    """

    def __init__(self, folder: Path, limits: Limits, threads: int, gpu: str | None = None):
        self.folder = folder
        self.limits = limits
        self.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._clock = time.monotonic()
        self._looked = self._clock
        self._verdict: dict[str, str] | None = None
        self._kill_at = math.inf
        self._peak_bytes = 0
        self._oom_kills = _oom_kills()
        self._task_bytes = watch.folder_bytes(folder)
        with (folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stbench.runs.child", str(folder), "--end-with-stdin"],
                cwd=folder,
                env=_environment(folder, threads, gpu),
                stdin=subprocess.PIPE,  # never written to; closes when this process dies
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its own process group, so that a signal reaches its children too
            )

    @property
    def seconds(self) -> float:
        """Wall time since the start, by the clock that never jumps."""
        return time.monotonic() - self._clock

    @property
    def state(self) -> dict[str, Any]:
        """What the method last said of its progress: done, total, info; empty before it said anything."""
        return read_progress(self.folder / "progress.json")

    def poll(self) -> dict[str, Any] | None:
        """The outcome once the process has ended and nothing of it is left, else None."""
        now = time.monotonic()
        if self._process.poll() is not None:
            return self._outcome()
        if now >= self._kill_at:
            watch.signal_group(self._process.pid, signal.SIGKILL)
        elif self._verdict is None and now - self._looked >= WATCH_SECONDS:
            self._looked = now
            self._verdict = self._exceeded()
            if self._verdict is not None:
                in_time = self._verdict["status"] == "timeout"  # growth of memory or disk cannot wait
                self._kill_at = now + GRACE_SECONDS * in_time
                watch.signal_group(self._process.pid, signal.SIGTERM)
        return None

    def kill(self) -> None:
        """End it now, with all its children."""
        watch.signal_group(self._process.pid, signal.SIGKILL)
        self._clean_up()

    def _clean_up(self) -> None:
        watch.signal_group(self._process.pid, signal.SIGKILL)  # children that the method left behind
        watch.kill_marked(self.folder)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _exceeded(self) -> dict[str, str] | None:
        """Status and reason where a limit is passed."""
        limits = self.limits
        if limits.timeout_s is not None and self.seconds > limits.timeout_s:
            return {"status": "timeout", "reason": f"killed after {limits.timeout_s:g} s (--timeout)"}
        memory = watch.memory_bytes(watch.processes(self._process.pid), limits.memory_bytes)
        self._peak_bytes = max(self._peak_bytes, memory)
        if memory > limits.memory_bytes:
            held = f"its processes held more than {limits.memory_bytes / 1e9:g} GB (--memory-limit)"
            return {"status": "out_of_memory", "reason": held}
        if watch.folder_bytes(self.folder) - self._task_bytes > limits.disk_bytes:
            wrote = f"it wrote more than {limits.disk_bytes / 1e9:g} GB (--disk-limit)"
            return {"status": "failed", "reason": wrote}
        return None

    def _outcome(self) -> dict[str, Any]:
        seconds = self.seconds
        self._clean_up()
        outcome = self._verdict or self._own_outcome() or self._death()
        return {
            "peak_rss_bytes": self._peak_bytes or None,
            **outcome,
            "started": self.started,
            "wall_s": seconds,
            "hardware": devices.hardware(),
            "python": sys.version.split()[0],
        }

    def _own_outcome(self) -> dict[str, Any] | None:
        """What the child wrote about itself, None where it wrote nothing usable."""
        file = self.folder / "outcome.json"
        with suppress(StbenchError, OSError):
            if file.stat().st_size <= MAX_OUTCOME_BYTES:
                outcome = read_json(file)
                if isinstance(outcome, dict) and outcome.get("status") in STATUSES:
                    return {key: outcome[key] for key in CHILD_FIELDS if key in outcome}
        return None

    def _death(self) -> dict[str, str]:
        """Why a process ended that left no word."""
        code = self._process.returncode
        if code == -signal.SIGKILL and _oom_kills() != self._oom_kills:
            return {"status": "out_of_memory", "reason": "killed by the system, which was short of memory"}
        names = {number.value: number.name for number in signal.Signals}
        how = f"signal {names.get(-code, -code)}" if code < 0 else f"exit code {code}"
        free = shutil.disk_usage(self.folder.parent).free  # the folder itself may be gone
        full = " (the disk of its folder is full)" if free < 1 << 20 else ""
        return {"status": "failed", "reason": f"the process ended with {how} and without an outcome{full}"}


def read_progress(file: Path) -> dict[str, Any]:
    """The progress in ``file``, numbers only: whatever a method writes there, nothing else gets through."""
    try:
        content = json.loads(file.read_bytes()[:MAX_OUTCOME_BYTES])
        info = {str(key): float(value) for key, value in content["info"].items() if _is_number(value)}
        return {"done": float(content["done"]), "total": float(content["total"]), "info": info}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _environment(folder: Path, threads: int, gpu: str | None) -> dict[str, str]:
    """The child's environment: no way to the data, its own temporary folder, threads and GPU."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STBENCH_")}
    kept.pop("PWD", None)
    kept.pop("OLDPWD", None)
    if gpu is not None:
        kept["CUDA_VISIBLE_DEVICES"] = gpu
    return kept | {watch.MARK: str(folder)} | dict.fromkeys(THREAD_VARIABLES, str(threads))


def _oom_kills() -> int | None:
    """How many processes the system has killed for memory since it started; None where it does not say."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
