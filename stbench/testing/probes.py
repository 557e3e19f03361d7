"""Runs a method for the checks, here and in its own process, and finds the line that breaks a promise."""

from __future__ import annotations

import atexit
import importlib
import inspect
import linecache
import random
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import Any

import numpy as np
from anndata import AnnData

from stbench.data.prepare import Pair
from stbench.data.split import Split
from stbench.data.visible import visible_spatial
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import TaskFile, write_tables
from stbench.method import Context, Method, Prediction
from stbench.plugins import PLUGIN_PREFIX, is_own, last_line
from stbench.runs.process import Limits, Templates, finish, start_run
from stbench.tables import dense
from stbench.task import Task
from stbench.testing.planted import planted_task
from stbench.toolbox.sandbox import global_parts, no_traces

UNUSUAL_SEED = 20_771_113  # so that a method that seeds a global generator always changes it


class Breach(StbenchError):
    """A method does not keep the contract; ``line`` and ``remedy`` replace those of the check."""

    def __init__(self, problem: str, line: str = "", remedy: str = "") -> None:
        super().__init__(problem)
        self.line, self.remedy = line, remedy


def predicted_values(method: Method, task: Task, scratch: Path, seed: int = 0, **context: Any) -> np.ndarray:
    """The values that ``method`` predicts, (n_spots, n_targets), checked for shape and finiteness.

    ``context`` are further fields of the context.
    """
    with no_traces("cpu"):  # so that a check does not hide what a later one tests
        warnings.simplefilter("ignore")
        answer = method.predict(task, Context(seed=seed, scratch=scratch, **context))
    values = np.asarray(answer.mean if isinstance(answer, Prediction) else answer)
    shape = (task.spatial.n_obs, len(task.targets))
    if values.shape != shape:
        raise Breach(f"predict() returns the shape {values.shape} instead of {shape} (spots, targets)")
    if not np.isfinite(values).all():
        raise Breach(f"{int((~np.isfinite(values)).sum())} of {values.size} predicted values are not finite")
    return values


def child_run(
    method: Method, pair: Pair, split: Split, scratch: Path, hash_seed: int = 0
) -> tuple[Path, dict[str, Any]]:
    """The folder and the outcome of a run in its own process, as in a grid; a `Breach` unless it is ok."""
    cls, inputs = type(method), Path(mkdtemp(dir=scratch))
    pair.reference.write_h5ad(inputs / "reference.h5ad")
    write_tables(inputs / "tables", inputs / "reference.h5ad", visible_spatial(pair.spatial, split, "counts"))
    task = TaskFile(
        method=method.info.name,
        parameters=asdict(method),
        targets=list(split.test),
        units="counts",
        seed=0,
        threads=1,
        device="cpu",
        plugins=[inspect.getfile(cls)] if cls.__module__.startswith(PLUGIN_PREFIX) else [],
    )
    hashes = {"PYTHONHASHSEED": str(hash_seed)}
    template = _templates(hash_seed).of(method.info.name)
    process = start_run(
        inputs / "tables", task, Limits(), parent=inputs, environment=hashes, template=template
    )
    outcome = finish(process)
    if outcome["status"] != "ok":
        raise Breach(f"its process ended as {outcome['status']}: {outcome['reason']}")
    return process.folder, outcome


@cache
def _templates(hash_seed: int) -> Templates:
    """What the processes of all checks are forked from; an interpreter has one hash seed."""
    hashes = {"PYTHONHASHSEED": str(hash_seed)}
    templates = Templates(1, fork=sys.platform == "linux", environment=hashes)
    atexit.register(templates.close)
    return templates


def first_change(method: Method, scratch: Path, watched: str = "") -> tuple[str, str]:
    """The first thing that predict() changes in the process or the task, and the line that changes it.

    Both are empty where nothing changes. The line needs a second call in which ``watched`` is the name of
    that thing: it is compared after each line of the method's code. The state of the process is restored.
    """
    task = planted_task()
    with no_traces("cpu"), warnings.catch_warnings(record=True):
        random.seed(UNUSUAL_SEED)
        np.random.seed(UNUSUAL_SEED)  # noqa: NPY002
        if find_spec("torch"):
            importlib.import_module("torch").manual_seed(UNUSUAL_SEED)
        gets = {name: get for name, (get, _) in global_parts("cpu").items()}
        gets["task.reference"] = lambda: _content(task.reference)
        gets["task.spatial"] = lambda: _content(task.spatial)
        gets["the warning filters"] = lambda: list(warnings.filters)
        before = {name: get() for name, get in gets.items()}
        watch = _Watch(method, lambda: gets[watched]() != before[watched])
        previous = sys.gettrace()
        try:
            sys.settrace(watch if watched else previous)
            method.predict(task, Context(scratch=scratch))
        finally:
            sys.settrace(previous)
        change = next((name for name, get in gets.items() if get() != before[name]), "")
    return change, _shown(*watch.found) if watch.found else ""


def crash_line(method: Method, error: BaseException) -> str:
    """The last line of the method's own code in a traceback; empty where there is none."""
    found = last_line(type(method).__module__, error)
    return _shown(*found) if found else ""


def definition_line(method: Method, name: str) -> str:
    """The line that defines the function ``name`` of the method, or its class where ``name`` is empty."""
    thing = getattr(type(method), name) if name else type(method)
    with suppress(OSError, TypeError):  # the class of an external method has no source
        if is_own(type(method).__module__, {"__name__": thing.__module__}):
            return _shown(inspect.getfile(thing), inspect.getsourcelines(thing)[1])
    return ""


class _Watch:
    """A trace function; ``found`` becomes the line of the method's code after which ``changed()`` is true."""

    def __init__(self, method: Method, changed: Callable[[], bool]) -> None:
        self.module, self.changed = type(method).__module__, changed
        self.found: tuple[str, int] | None = None
        self.last: tuple[str, int] | None = None  # the line that is running

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Watch | None:
        if not is_own(self.module, frame.f_globals):
            return None
        if event == "call":
            return self
        self.found = (self.found or self.last) if self.changed() else None
        running: FrameType | None = frame.f_back if event == "return" else frame
        while running and not is_own(self.module, running.f_globals):
            running = running.f_back
        self.last = (running.f_code.co_filename, running.f_lineno) if running else None
        return self


def _content(table: AnnData) -> list[Any]:
    """The whole content of a table, for comparison with ==."""
    frames = [(part.to_csv(), [repr(dtype) for dtype in part.dtypes]) for part in (table.obs, table.var)]
    matrices = {None: table.X, **table.layers}
    values = [(type(X), dense(table, table.var_names, layer).tobytes()) for layer, X in matrices.items()]
    arrays = [(name, np.asarray(array).tobytes()) for name, array in table.obsm.items()]
    return [frames, list(matrices), values, arrays, list(table.uns)]


def _shown(file: str, line: int) -> str:
    """``file:line: code``; the path is relative where the file is below the working folder."""
    path = Path(file)
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{path}:{line}: {linecache.getline(file, line).strip()}"
