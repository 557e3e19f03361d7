"""One run: a process in a folder of its own, watched against its limits, and its outcome.

Executors, ``predict`` and ``check`` all start runs with `start_run`, so that isolation, limits and outcomes
are the same everywhere.
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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from stbench import machine
from stbench.errors import StbenchError
from stbench.exchange.external import environments_folder
from stbench.exchange.taskfolder import TaskFile
from stbench.files import read_json
from stbench.method import REGISTRY
from stbench.runs import process_tree
from stbench.runs.checkpoints import CHECKPOINT
from stbench.runs.manifest import STATUSES
from stbench.runs.template import Forked, Template

POLL_SECONDS = 0.05
GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL
WATCH_SECONDS = 0.25  # between two looks at memory and disk
MAX_OUTCOME_BYTES = 1 << 20
CHILD_FIELDS = (  # what the process may state about itself
    "status", "reason", "load_s", "predict_s", "predict_cpu_s", "cpu_s", "peak_rss_bytes", "gpu", "versions",
    "threads_used", "chosen",
)  # fmt: skip
# what a template imports for methods that need these packages; POT imports PyTorch, and the first step of an
# optimiser of PyTorch imports torch._dynamo
SLOW_IMPORTS = {"torch": ("torch", "torch._dynamo"), "POT": ("ot",)}
# threads that wait sleep instead of spinning, which multiplies the CPU time on a busy machine
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """What a run may use before it is killed: wall time, memory of all its processes, disk in its folder."""

    timeout_s: float | None = None
    memory_bytes: int = sys.maxsize
    disk_bytes: int = sys.maxsize


def start_run(
    tables: Path,
    task: TaskFile,
    limits: Limits,
    *,
    parent: Path | None = None,
    prefix: str = "stbench-run-",
    gpu: str | None = "",
    checkpoint: Path | None = None,
    environment: Mapping[str, str] | None = None,
    template: Template | None = None,
) -> RunProcess:
    """Write the task folder of a run and start its process.

    Parameters
    ----------
    tables
        Folder with the two tables of the task; they are copied.
    task
        The content of ``task.json``.
    limits
        What the run may use.
    parent, prefix
        Where its folder is made, and how the name of the folder begins.
    gpu
        What the process sees as ``CUDA_VISIBLE_DEVICES``; empty: no GPU; None: those that this process sees.
    checkpoint
        What an earlier try of the run has left, where there is something.
    environment
        Further environment variables.
    template
        What forks the process; without one, a new interpreter starts.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
    shutil.copytree(tables, folder / "task")
    task.write(folder / "task")
    if checkpoint is not None and checkpoint.is_file():
        shutil.copy2(checkpoint, folder / CHECKPOINT)
    return RunProcess(folder, limits, task.threads, gpu, environment, template)


def finish(process: RunProcess, each: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Wait for the end of a run and return its outcome; ``each`` is called at every look at it.

    Whatever ends the wait, the process does not outlive it.
    """
    try:
        while (outcome := process.poll()) is None:
            time.sleep(POLL_SECONDS)
            each()
        return outcome
    finally:
        process.kill()


class RunProcess:
    """The running process of one run; `poll` it until it returns the outcome.

    ``folder`` holds ``task``; the process leaves ``log.txt`` there and, after a good run,
    ``prediction.h5ad``. The caller removes it. The other parameters are those of `start_run`.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        threads: int,
        gpu: str | None = "",
        environment: Mapping[str, str] | None = None,
        template: Template | None = None,
    ):
        self.folder = folder
        self.limits = limits
        self.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._clock = time.monotonic()
        self._looked = self._clock
        self._verdict: dict[str, str] | None = None
        self._ended = False
        self._kill_at = math.inf
        self._peak_bytes = 0
        self._oom_kills = _oom_kills()
        self._task_bytes = process_tree.folder_bytes(folder)
        own = run_environment(threads, gpu) | {process_tree.MARK: str(folder)} | dict(environment or {})
        environments = str(environments_folder())
        self._process: subprocess.Popen[bytes] | Forked
        if template is not None:
            with suppress(OSError):  # the template was killed: a new interpreter does as well
                self._process = template.fork(folder, own, environments)
                return
        with (folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stbench.runs.child", str(folder), environments],
                cwd=folder,
                env=own,
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
        """The last progress that the method reported: done, total, info; empty before its first report."""
        return read_progress(self.folder / "progress.json")

    def poll(self) -> dict[str, Any] | None:
        """The outcome once the process and all its children have ended, else None."""
        now = time.monotonic()
        if self._process.poll() is not None:
            return self._outcome()
        if now >= self._kill_at:
            process_tree.signal_group(self._process.pid, signal.SIGKILL)
        elif self._verdict is None and now - self._looked >= WATCH_SECONDS:
            self._looked = now
            self._verdict = self._exceeded()
            if self._verdict is not None:
                in_time = self._verdict["status"] == "timeout"  # growth of memory or disk cannot wait
                self._kill_at = now + GRACE_SECONDS * in_time
                process_tree.signal_group(self._process.pid, signal.SIGTERM)
        return None

    def kill(self) -> None:
        """End it now, with all its children; nothing happens where it has ended."""
        self._clean_up()

    def _clean_up(self) -> None:
        if self._ended:
            return
        self._ended = True
        process_tree.signal_group(self._process.pid, signal.SIGKILL)  # children that the method left behind
        process_tree.kill_marked(self.folder)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _exceeded(self) -> dict[str, str] | None:
        """Status and reason where a limit is passed."""
        limits = self.limits
        if limits.timeout_s is not None and self.seconds > limits.timeout_s:
            return {"status": "timeout", "reason": f"killed after {limits.timeout_s:g} s (--timeout)"}
        memory = process_tree.memory_bytes(process_tree.processes(self._process.pid), limits.memory_bytes)
        self._peak_bytes = max(self._peak_bytes, memory)
        if memory > limits.memory_bytes:
            held = f"its processes held more than {limits.memory_bytes / 1e9:g} GB (--memory-limit)"
            return {"status": "out_of_memory", "reason": held}
        if process_tree.folder_bytes(self.folder) - self._task_bytes > limits.disk_bytes:
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
            "hardware": machine.hardware(),
            "python": sys.version.split()[0],
        }

    def _own_outcome(self) -> dict[str, Any] | None:
        """The outcome that the process wrote, None where it wrote nothing usable."""
        file = self.folder / "outcome.json"
        with suppress(StbenchError, OSError):
            if file.stat().st_size <= MAX_OUTCOME_BYTES:
                outcome = read_json(file)
                if isinstance(outcome, dict) and outcome.get("status") in STATUSES:
                    return {key: outcome[key] for key in CHILD_FIELDS if key in outcome}
        return None

    def _death(self) -> dict[str, str]:
        """The outcome of a process that ended without writing one."""
        code = self._process.returncode or 0
        if code == -signal.SIGKILL and _oom_kills() != self._oom_kills:
            return {"status": "out_of_memory", "reason": "killed by the system, which was short of memory"}
        names = {number.value: number.name for number in signal.Signals}
        how = f"signal {names.get(-code, -code)}" if code < 0 else f"exit code {code}"
        free = shutil.disk_usage(self.folder.parent).free  # the folder itself may be gone
        full = " (the disk of its folder is full)" if free < 1 << 20 else ""
        return {"status": "failed", "reason": f"the process ended with {how} and without an outcome{full}"}


class Templates:
    """The templates of the processes of runs with so many threads: one for each set of slow imports.

    ``fork`` False: there is none. ``environment`` has further variables of the templates.
    """

    def __init__(self, threads: int, *, fork: bool = True, environment: Mapping[str, str] | None = None):
        self.threads = threads
        self.fork = fork
        self._environment = run_environment(threads, "") | dict(environment or {})
        self._lock = Lock()
        self._made: dict[tuple[str, ...], Template] = {}

    def of(self, method: str) -> Template | None:
        """The living template for runs of a method."""
        if not self.fork:
            return None
        packages = REGISTRY.get(method).info.packages
        imports = tuple(module for package in packages for module in SLOW_IMPORTS.get(package, ()))
        with self._lock:
            if imports not in self._made or not self._made[imports].alive:
                self._made[imports] = Template(self._environment, imports)
            return self._made[imports]

    def close(self) -> None:
        """End them; their runs are not touched."""
        for template in self._made.values():
            template.close()
        self._made.clear()


def read_progress(file: Path) -> dict[str, Any]:
    """The progress in ``file``, numbers only: nothing else that a method writes there is passed on."""
    try:
        content = json.loads(file.read_bytes()[:MAX_OUTCOME_BYTES])
        info = {str(key): float(value) for key, value in content["info"].items() if _is_number(value)}
        return {"done": float(content["done"]), "total": float(content["total"]), "info": info}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def run_environment(threads: int, gpu: str | None) -> dict[str, str]:
    """The environment of a run, but for its own folder: no way to the data, threads and GPU."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STBENCH_")}
    kept.pop("PWD", None)
    kept.pop("OLDPWD", None)
    if gpu is not None:
        kept["CUDA_VISIBLE_DEVICES"] = gpu
    return kept | WAITING | dict.fromkeys(THREAD_VARIABLES, str(threads))


def _oom_kills() -> int | None:
    """How many processes the system has killed for memory since it started; None where it does not say."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
