"""What a Dask worker does: makes one run in a child process and sends back what it left."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stbench import machine as devices
from stbench.files import write_json
from stbench.runs.process import Child, Limits

POLL_SECONDS = 0.05
SAY_SECONDS = 2.0  # between two words on the progress
MAX_LOG_BYTES = 2 << 20


@dataclass(frozen=True)
class Job:
    """One run as it travels: ``content`` is its ``task.json``, ``plugins`` file names with their content.

    Progress goes to the event topic ``topic`` under the name ``key``.
    """

    content: dict[str, Any]
    plugins: dict[str, bytes]
    limits: Limits
    threads: int | None
    topic: str
    key: str


def make_run(
    job: Job, *, folder: str | None = None, reference: bytes = b"", spatial: bytes = b""
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Outcome and files of one run; its tables are in ``folder``, or given as bytes.

    The child ends early when the run was taken back or this worker is closing.
    """
    from distributed import get_worker
    from distributed.worker import thread_state

    worker = get_worker()
    threads = job.threads or max(1, devices.cores() // worker.state.nthreads)
    run = Path(tempfile.mkdtemp(prefix="stbench-run-", dir=worker.local_directory)).resolve()
    try:
        task = run / "task"
        if folder is not None:
            shutil.copytree(folder, task)
        else:
            task.mkdir()
            (task / "reference.h5ad").write_bytes(reference)
            (task / "spatial.h5ad").write_bytes(spatial)
        plugins = [_write(run / "plugins" / name, content) for name, content in job.plugins.items()]
        write_json(task / "task.json", job.content | {"threads": threads, "plugins": plugins})
        visible = "" if job.content["device"] == "cpu" else None  # which GPUs, the worker's environment says
        child = Child(run, job.limits, threads, visible)
        said = time.monotonic()
        try:
            while (outcome := child.poll()) is None:
                time.sleep(POLL_SECONDS)
                known = worker.state.tasks.get(thread_state.key)
                wanted = known is not None and known.state == "executing"
                if not wanted or worker.status.name not in ("running", "paused"):
                    raise RuntimeError("the run was taken back")
                if time.monotonic() - said >= SAY_SECONDS:
                    said = time.monotonic()
                    worker.log_event(job.topic, {"key": job.key, "state": child.state})
        finally:
            child.kill()
        return outcome | {"threads": threads}, _left(run)
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _write(file: Path, content: bytes) -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return str(file)


def _left(run: Path) -> dict[str, bytes]:
    """The end of the log, and the prediction, where the run has left them."""
    files = {}
    if (run / "log.txt").is_file():
        with (run / "log.txt").open("rb") as log:
            log.seek(max(0, (run / "log.txt").stat().st_size - MAX_LOG_BYTES))
            files["log.txt"] = log.read()
    if (run / "prediction.h5ad").is_file():
        files["prediction.h5ad"] = (run / "prediction.h5ad").read_bytes()
    return files
