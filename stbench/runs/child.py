"""The process of one run: reads a task folder, lets the method predict, writes the answer.

``python -m stbench.runs.child FOLDER ENVIRONMENTS``: ``FOLDER/task`` is the task; ``prediction.h5ad``,
``outcome.json`` and ``progress.json`` are written into ``FOLDER``. Whatever a method does here harms no other
run. The process ends with its standard input, so that it never outlives the grid. ``ENVIRONMENTS`` is where
external methods find theirs.
"""

from __future__ import annotations

import json
import linecache
import logging
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stbench.errors import HiddenGene, StbenchError, Unsupported
from stbench.exchange.external import use_environments

PROGRESS_SECONDS = 0.2
CORE = ("stbench", "numpy", "scipy", "anndata")  # their versions are in every manifest


def main(folder: Path) -> None:
    """Run the method that ``folder/task`` asks for and write its outcome."""
    from stbench.files import write_json

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    outcome: dict[str, Any] = {"status": "failed", "reason": ""}
    try:
        outcome |= _run(folder)
    except Exception as error:  # the border of a run: every failure becomes a record
        outcome |= _failure(error)
    outcome |= {"peak_rss_bytes": peak_rss_bytes(), "cpu_s": cpu_seconds(), "threads_used": threads_used()}
    write_json(folder / "outcome.json", outcome)


def end_with_stdin() -> None:
    """Kill the process group as soon as standard input ends, as it does when the grid dies."""

    def watch() -> None:
        while os.read(0, 1):  # not sys.stdin, whose lock this thread would hold at the interpreter's end
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def die_first() -> None:
    """Have a system that is short of memory kill this process before the grid."""
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text("1000")


def _run(folder: Path) -> dict[str, Any]:
    from stbench.exchange.taskfolder import read_task, write_prediction
    from stbench.method import REGISTRY, Context
    from stbench.plugins import last_line, load_plugin
    from stbench.runs.checkpoints import CHECKPOINT

    start = time.monotonic()
    task, file = read_task(folder / "task")
    for plugin in file.plugins:
        load_plugin(Path(plugin))
    cls = REGISTRY.get(file.method)
    method = cls(**file.parameters)
    (folder / "scratch").mkdir()
    chosen: dict[str, Any] = {}
    ctx = Context(
        seed=file.seed,
        device=file.device,
        threads=file.threads,
        scratch=folder / "scratch",
        checkpoint=folder / CHECKPOINT,
        progress=_progress_writer(folder / "progress.json"),
        chosen=lambda **values: chosen.update(json.loads(json.dumps(values, default=float))),
    )
    versions = cls.versions()
    loaded, loaded_cpu = time.monotonic(), cpu_seconds()
    try:
        answer = method.predict(task, ctx)
    except Exception as error:
        if found := last_line(cls.__module__, error):
            error.add_note(f"{Path(found[0]).name}:{found[1]}: {linecache.getline(*found).strip()}")
        raise
    predicted, predicted_cpu = time.monotonic(), cpu_seconds()
    write_prediction(folder / "prediction.h5ad", task, answer)
    return {
        "status": "ok",
        "load_s": loaded - start,
        "predict_s": predicted - loaded,
        "predict_cpu_s": predicted_cpu - loaded_cpu,
        "chosen": chosen,
        "versions": {package: version(package) for package in CORE} | versions,
        "gpu": _gpu_peak(file.device),
    }


def _failure(error: Exception) -> dict[str, str]:
    from stbench.exchange.taskfolder import InvalidPrediction

    traceback.print_exc(file=sys.stdout)
    if isinstance(error, Unsupported):
        return {"status": "unsupported", "reason": str(error)}
    if isinstance(error, InvalidPrediction):
        return {"status": "invalid", "reason": str(error)}
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return {"status": "out_of_memory", "reason": str(error) or "the process ran out of memory"}
    if isinstance(error, StbenchError) and not isinstance(error, HiddenGene):
        return {"status": "failed", "reason": str(error)}
    message = str(error) if isinstance(error, HiddenGene) else f"{type(error).__name__}: {error}"
    line = "".join(f" ({note})" for note in getattr(error, "__notes__", [])[-1:])
    return {"status": "failed", "reason": f"{message}{line}"}


def _progress_writer(file: Path) -> Callable[..., None]:
    """A callback that leaves the latest progress in ``file``, at most five times a second."""
    last = 0.0
    part = file.with_suffix(".part")

    def progress(done: float, total: float, **info: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < PROGRESS_SECONDS and done < total:
            return
        last = now
        part.write_text(json.dumps({"done": done, "total": total, "info": info}, default=float))
        os.replace(part, file)

    return progress


def peak_rss_bytes() -> int | None:
    """Peak resident memory of this process or of its largest child that has ended; None where nobody knows.

    An external method is such a child.
    """
    own = own_peak_bytes()
    # a child inherits the figure of its parent at the fork, so that only the larger of the two says something
    return own and max(own, 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def own_peak_bytes() -> int | None:
    """Peak resident memory of this process alone (``VmHWM``); None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(
        (1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), None
    )


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def threads_used() -> dict[str, int]:
    """How many threads each numerical library of this process works with."""
    from threadpoolctl import threadpool_info

    found = {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()}
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_num_threads()
    return found


def _gpu_peak(device: str) -> dict[str, Any] | None:
    if not device.startswith("cuda") or "torch" not in sys.modules:
        return None
    import torch

    return {
        "name": torch.cuda.get_device_name(device),
        "peak_allocated_bytes": torch.cuda.max_memory_allocated(device),
        "peak_reserved_bytes": torch.cuda.max_memory_reserved(device),
    }


def run_in(folder: Path, environments: Path) -> None:
    """Be the process of the run in ``folder``."""
    end_with_stdin()
    die_first()
    use_environments(environments)
    main(folder)


if __name__ == "__main__":
    run_in(*map(Path, sys.argv[1:]))
