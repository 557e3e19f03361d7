"""The scratch folder of a grid: the tables of each task, written once per split and copied for every run."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from stbench.data.prepare import Pair
from stbench.data.visible import visible_spatial
from stbench.exchange.taskfolder import write_tables
from stbench.files import whole_file, writable_folder
from stbench.runs.results import Results
from stbench.runs.spec import RunSpec

PREFIX = "stbench-grid-"
LOCK = "lock"
SETTLED_SECONDS = 60.0  # the grid of a younger folder may not have locked it yet


class Workspace:
    """A folder with the references and the tables of a grid's tasks; it is removed when the grid ends.

    It is made in ``parent``, by default the system's temporary folder, where the folders of killed grids are
    removed first. Other folders there whose names start with its name belong to the grid too. The references
    are in ``references`` if that is given, and then they are kept.
    """

    def __init__(self, results: Results, parent: Path | None = None, references: Path | None = None):
        self.results = results
        parent = (parent or Path(tempfile.gettempdir())).resolve()
        remove_dead(parent)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self.references = writable_folder(references or self.folder)
        self._lock = FileLock(self.folder / LOCK)
        self._lock.acquire()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _remove_all(self.folder)
        self._lock.release()

    def add(self, pair: Pair) -> None:
        """Write the reference of a dataset for the tasks."""
        with whole_file(self.references / f"{pair.hash}.h5ad") as part:
            pair.reference.write_h5ad(part)

    def tables(self, spec: RunSpec) -> Path:
        """The folder of the tables that all runs on the split of ``spec`` share, without the truth."""
        folder = self.folder / f"{spec.data_hash}-{spec.split.hash}"
        if not folder.is_dir():
            truth = self.results.truth(spec.dataset, spec.data_hash)
            spatial = visible_spatial(truth, spec.split, spec.units)
            write_tables(folder, self.references / f"{spec.data_hash}.h5ad", spatial)
        return folder


def remove_dead(parent: Path) -> None:
    """Remove the folders of killed grids in ``parent``."""
    for folder in parent.glob(f"{PREFIX}*"):
        lock = folder / LOCK
        with suppress(Timeout, OSError):  # the grid is alive, or the folder is another user's
            if lock.is_file() and time.time() - os.stat(lock).st_mtime > SETTLED_SECONDS:
                with FileLock(lock, timeout=0):
                    _remove_all(folder)


def _remove_all(folder: Path) -> None:
    for path in folder.parent.glob(f"{folder.name}*"):
        shutil.rmtree(path, ignore_errors=True)
