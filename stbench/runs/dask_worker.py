"""What a Dask worker does: it makes one run in a process and returns the files of the run."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stbench import machine
from stbench.exchange.taskfolder import TABLES, TaskFile
from stbench.runs.checkpoints import CHECKPOINT, DONE
from stbench.runs.process import Limits, Templates, finish, start_run

REPORT_SECONDS = 2.0  # between two reports of the progress
MAX_LOG_BYTES = 2 << 20

_templates: dict[int, Templates] = {}  # by number of threads


@dataclass(frozen=True)
class Job:
    """One run as it travels to a worker.

    ``plugins`` are the contents of the plugin files by name, ``checkpoint`` is what an earlier try of the run
    has left. Progress and new checkpoints go to the event topic ``topic`` under the name ``key``.
    """

    task: TaskFile
    plugins: dict[str, bytes]
    limits: Limits
    threads: int | None
    topic: str
    key: str
    fork: bool
    checkpoint: bytes = b""


def make_run(
    job: Job, *, folder: str | None = None, reference: bytes = b"", spatial: bytes = b""
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Outcome and files of one run; its tables are in ``folder``, or given as bytes.

    The run ends early when it was cancelled or this worker is closing.
    """
    from distributed import get_worker
    from distributed.worker import thread_state  # type: ignore[attr-defined]  # no __all__ there

    worker = get_worker()
    threads = job.threads or max(1, machine.cores() // worker.state.nthreads)
    templates = _templates.setdefault(threads, Templates(threads))  # they end with the worker
    here = Path(tempfile.mkdtemp(prefix="stbench-run-", dir=worker.local_directory)).resolve()
    try:
        tables = here / "tables"
        contents = {} if folder else dict(zip(TABLES, (reference, spatial), strict=True))
        for name, content in contents.items():
            _write(tables / name, content)
        plugins = [_write(here / "plugins" / name, content) for name, content in job.plugins.items()]
        process = start_run(
            Path(folder) if folder else tables,
            job.task.model_copy(update={"threads": threads, "plugins": plugins}),
            job.limits,
            parent=here,
            gpu="" if job.task.device == "cpu" else None,  # which GPUs, the worker's environment says
            checkpoint=Path(_write(here / CHECKPOINT, job.checkpoint)) if job.checkpoint else None,
            # a plugin file is known to the run alone
            template=templates.of(job.task.method) if job.fork and not plugins else None,
        )
        reported, sent = time.monotonic(), _modified(process.folder / CHECKPOINT)

        def look() -> None:
            nonlocal reported, sent
            known = worker.state.tasks.get(thread_state.key)
            wanted = known is not None and known.state == "executing"
            if not wanted or worker.status.name not in ("running", "paused"):
                raise RuntimeError("the run was cancelled")
            if time.monotonic() - reported >= REPORT_SECONDS:
                reported = time.monotonic()
                report: dict[str, Any] = {"key": job.key, "state": process.state}
                if (modified := _modified(process.folder / CHECKPOINT)) != sent:
                    report["checkpoint"], sent = (process.folder / CHECKPOINT).read_bytes(), modified
                worker.log_event(job.topic, report)

        outcome = finish(process, look)
        return outcome | {"threads": threads}, _files(process.folder, outcome["status"])
    finally:
        shutil.rmtree(here, ignore_errors=True)


def _write(file: Path, content: bytes) -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return str(file)


def _modified(file: Path) -> int:
    """When a file was last written, 0 where there is none."""
    return 0 if file.is_symlink() or not file.is_file() else file.stat().st_mtime_ns


def _files(run: Path, status: str) -> dict[str, bytes]:
    """The end of the log, the prediction, and the checkpoint of a run that is not done, where they exist."""
    files = {}
    if (run / "log.txt").is_file():
        with (run / "log.txt").open("rb") as log:
            log.seek(max(0, (run / "log.txt").stat().st_size - MAX_LOG_BYTES))
            files["log.txt"] = log.read()
    for name in ("prediction.h5ad", *([] if status in DONE else [CHECKPOINT])):
        if _modified(run / name):
            files[name] = (run / name).read_bytes()
    return files
