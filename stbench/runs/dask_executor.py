"""The Dask executor: the workers of a cluster start the same process as the local executor.

Tasks go to the workers through the scheduler, or lie in a folder that all workers see. The truth never
leaves the process that scores.
"""

from __future__ import annotations

import importlib
import tempfile
import time
import tomllib
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from stbench.errors import StbenchError
from stbench.runs.checkpoints import Checkpoints
from stbench.runs.dask_worker import Job, make_run
from stbench.runs.local_executor import BASE_BYTES
from stbench.runs.spec import RunSpec

if TYPE_CHECKING:
    from distributed import Client, Future

    from stbench.runs.process import Limits

# the resources that workers declare: dask worker --resources "GPU=1 MEMORY=64e9"
GPU = "GPU"
MEMORY = "MEMORY"
CONNECT_SECONDS = 30
CLUSTER_MODULES = ("dask_jobqueue", "distributed")
KEPT_FILES = 4  # on the cluster besides those that runs wait for


@dataclass
class _Submitted:
    spec: RunSpec
    future: Future
    since: float
    state: dict[str, Any]


class DaskExecutor:
    """Starts runs on the workers of ``client``; see `LocalExecutor` for the calls.

    ``shared``: the workers see the grid's folder, else its files are sent to them. ``threads`` None: each
    worker divides its cores by the number of runs that it makes at the same time. A run goes on from what an
    unfinished one left in ``checkpoints``.
    """

    def __init__(
        self,
        client: Client,
        threads: int | None,
        limits: Limits,
        checkpoints: Checkpoints,
        plugins: Sequence[Path],
        *,
        shared: bool,
        fork: bool = True,
    ):
        self.client = client
        self.threads = threads
        self.limits = limits
        self.checkpoints = checkpoints
        self.plugins = {path.name: path.read_bytes() for path in plugins}
        self.shared = shared
        self.fork = fork
        self._topic = f"stbench-{uuid.uuid4().hex}"
        self._reports: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._running: dict[str, _Submitted] = {}
        self._sent: dict[int, Future] = {}
        client.subscribe_topic(self._topic, lambda event: self._reports.put(event[1]))

    def warm(self, methods: Sequence[str]) -> None:
        """Nothing to do: the workers do it."""

    def device(self, requested: str) -> str:
        """``cpu`` or ``cuda`` for what was requested: ``auto`` means GPUs where workers declare them."""
        if requested == "auto":
            return "cuda" if GPU in (self._declared() or {}) else "cpu"
        if requested not in ("cpu", "cuda"):
            raise StbenchError(f"--device takes auto, cpu or cuda with --executor dask, not '{requested}'.")
        return requested

    def memory(self, device: str) -> int | None:
        """The bytes that one run may use on the largest worker; None where no worker declares any."""
        declared = (self._declared() or {}).get(MEMORY)
        if device != "cpu" or declared is None:
            return None
        return int(min(declared, self.limits.memory_bytes)) - BASE_BYTES

    def at_once(self, device: str) -> int:
        """The number of runs at the same time: a thread of a worker makes one."""
        return max(1, sum(self.client.nthreads().values()))

    def problem(self, spec: RunSpec) -> str | None:
        """Why no worker can ever run ``spec``, None where one can or may come."""
        declared = self._declared()
        if declared is None:
            return None
        if spec.device == "cuda" and not declared.get(GPU):
            return 'needs a GPU, no worker declares one (dask worker --resources "GPU=1")'
        most = declared.get(MEMORY)
        if spec.device == "cpu" and most is not None and BASE_BYTES + spec.memory_bytes > most:
            return f"needs about {spec.memory_bytes / 1e9:.1f} GB, the largest worker has {most / 1e9:.1f} GB"
        return None

    def has_room(self, spec: RunSpec) -> bool:
        """Whether to submit one more: as many as the workers make at the same time, and one each ahead."""
        threads = self.client.nthreads().values()
        return len(self._running) < max(1, sum(threads) + len(threads))

    def start(self, spec: RunSpec, tables: Path) -> None:
        """Submit ``spec``; its tables are in the folder ``tables``."""
        task = spec.task_file("cuda:0" if spec.device == "cuda" else "cpu", self.threads or 1, [])
        kept = self.checkpoints.file(spec.key)
        checkpoint = kept.read_bytes() if kept.is_file() else b""
        job = Job(task, self.plugins, self.limits, self.threads, self._topic, spec.key, self.fork, checkpoint)
        sent: dict[str, Any] = {"folder": str(tables)}
        if not self.shared:
            sent = {name: self._file(tables / f"{name}.h5ad") for name in ("reference", "spatial")}
        future = self.client.submit(
            make_run,
            job,
            **sent,
            key=f"stbench-{spec.key}-{uuid.uuid4().hex[:8]}",
            resources=self._resources(spec),
            pure=False,
        )
        self._running[spec.key] = _Submitted(spec, future, time.monotonic(), {})

    def progress(self) -> Iterator[tuple[RunSpec, float, dict[str, Any]]]:
        """Every submitted run, the seconds since, and the progress that its method reported."""
        self._read_reports()
        for run in self._running.values():
            yield run.spec, time.monotonic() - run.since, run.state

    def ended(self) -> Iterator[tuple[RunSpec, dict[str, Any], Path]]:
        """Every run that has ended since the last call: its outcome, and its folder while it is looked at."""
        for run in [run for run in self._running.values() if run.future.done()]:
            if run.future.cancelled():
                raise StbenchError(
                    "The connection to the Dask scheduler is lost. Finished runs are kept; start a scheduler "
                    "and give the same command again."
                )
            del self._running[run.spec.key]
            with tempfile.TemporaryDirectory(prefix="stbench-answer-") as folder:
                outcome = self._outcome(run.future, Path(folder))
                self.checkpoints.settle(run.spec.key, Path(folder), outcome["status"])
                yield run.spec, outcome, Path(folder)

    def close(self) -> None:
        """Cancel what runs: the workers kill it."""
        self._read_reports()
        self.client.cancel([run.future for run in self._running.values()])
        self._running.clear()
        self._sent.clear()

    def _read_reports(self) -> None:
        while not self._reports.empty():
            report = self._reports.get()
            if report["key"] in self._running:
                self._running[report["key"]].state = report["state"]
                if "checkpoint" in report:
                    self.checkpoints.keep_content(report["key"], report["checkpoint"])

    def _outcome(self, future: Future, folder: Path) -> dict[str, Any]:
        """The outcome that a worker returned; its files go into ``folder``."""
        error = future.exception()
        if error is not None:  # of the worker, not of the method
            return {"status": "failed", "reason": f"no worker could make the run: {_first_line(error)}"}
        outcome, files = future.result()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return outcome

    def _file(self, file: Path) -> Future:
        """The content of a file on the cluster; a file with several names is sent once."""
        identity = file.stat().st_ino
        if identity not in self._sent:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that it is large
                # a task, unlike scattered data, can be done again when its worker dies
                self._sent[identity] = self.client.submit(bytes, file.read_bytes(), pure=False)
            if len(self._sent) > KEPT_FILES:
                del self._sent[next(iter(self._sent))]
        return self._sent[identity]

    def _resources(self, spec: RunSpec) -> dict[str, float] | None:
        needed: dict[str, float] = {GPU: 1} if spec.device == "cuda" else {}
        if spec.device == "cpu" and MEMORY in (self._declared() or {}):
            needed[MEMORY] = BASE_BYTES + spec.memory_bytes
        return needed or None

    def _declared(self) -> dict[str, float] | None:
        """The most that any one worker declares of each resource; None while there are no workers."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers:
            return None
        most: dict[str, float] = {}
        for worker in workers:
            for name, amount in worker["resources"].items():
                most[name] = max(amount, most.get(name, 0))
        return most


@contextmanager
def connect(scheduler: str | None, cluster: Path | None) -> Iterator[Client]:
    """A client of the scheduler at an address or in a scheduler file, or of a cluster that a file describes.

    The cluster file is TOML: ``class = "dask_jobqueue.SLURMCluster"``, the number of ``jobs``, and
    ``[options]`` for the class. Its jobs end with the grid.
    """
    try:
        from distributed import Client
    except ImportError:
        raise StbenchError('--executor dask needs Dask. Install: pip install "stbench[dask]".') from None
    if (scheduler is None) == (cluster is None):
        raise StbenchError("--executor dask needs one of --scheduler ADDRESS and --cluster FILE.")
    if cluster is not None:
        with _started(cluster) as started, Client(started) as client:
            client.wait_for_workers(1)
            yield client
        return
    where = {"scheduler_file": scheduler} if Path(scheduler or "").is_file() else {"address": scheduler}
    try:
        client = Client(**where, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise StbenchError(f"--scheduler {scheduler}: no Dask scheduler answers there ({error}).") from error
    with client:
        yield client


def _started(file: Path) -> Any:
    """The cluster of a cluster file."""
    try:
        content = tomllib.loads(file.read_text())
        module, _, name = content["class"].rpartition(".")
        jobs, options = int(content.get("jobs", 1)), dict(content.get("options", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StbenchError(f"Cluster file '{file}' needs class, jobs and [options] ({error!r}).") from error
    if module not in CLUSTER_MODULES:
        raise StbenchError(f"Cluster file '{file}': class is one of {' or '.join(CLUSTER_MODULES)}.")
    try:
        cluster = getattr(importlib.import_module(module), name)(**options)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise StbenchError(f"Cluster file '{file}': {_first_line(error)}.") from error
    cluster.scale(jobs)
    return cluster


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
