"""The scratch folder of a grid: task folders, written once per split and copied for every run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from stbench.files import read_json, write_json
from stbench.grid import RunSpec
from stbench.prepare import Pair
from stbench.results import Results
from stbench.taskfolder import visible_spatial, write_task


class Workspace:
    """Holds the references and the task folders of a grid while it runs; gone afterwards."""

    def __init__(self, results: Results):
        self.results = results
        self.folder = Path(tempfile.mkdtemp(prefix="stbench-grid-"))

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, pair: Pair) -> None:
        """Keep the reference of a dataset, ready to be copied into tasks."""
        pair.reference.write_h5ad(self.folder / f"{pair.hash}.h5ad")

    def run_folder(self, spec: RunSpec, extra: dict[str, Any]) -> Path:
        """A fresh folder for one run with its ``task`` inside; ``extra`` completes ``task.json``."""
        run = Path(tempfile.mkdtemp(prefix="stbench-run-"))
        shutil.copytree(self._task(spec), run / "task")
        description = {
            "method": spec.method,
            "parameters": spec.parameters,
            "seed": spec.seed,
            "device": spec.device,
        }
        write_json(run / "task" / "task.json", read_json(run / "task" / "task.json") | description | extra)
        return run

    def _task(self, spec: RunSpec) -> Path:
        """The task folder that all runs on this split share; the truth stays outside."""
        folder = self.folder / f"{spec.data_hash}-{spec.split.hash}"
        if not folder.is_dir():
            truth = self.results.truth(spec.dataset, spec.data_hash)
            spatial = visible_spatial(truth, spec.split, spec.units)
            write_task(
                folder, self.folder / f"{spec.data_hash}.h5ad", spatial, list(spec.split.test), spec.units
            )
        return folder
