"""Merges results folders, which may come from other machines and from strangers.

Folders whose numbers do not compare are refused: two preparations of one dataset, two versions of one metric.
Nothing in the folders is trusted: only known files are copied, after a check; links are refused; nothing is
unpickled.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stbench.board.collect import newest
from stbench.board.columns import column_name
from stbench.errors import StbenchError
from stbench.files import refuse_links, sha256, whole_folder
from stbench.runs.manifest import OK
from stbench.runs.results import Results
from stbench.scoring.prediction import stored_scores

log = logging.getLogger(__name__)

RUN_FILES = ("manifest.json", "prediction.h5ad", "log.txt", "scores.parquet")
DATASET_FILES = ("dataset.json", "truth.h5ad")


@dataclass(frozen=True)
class Run:
    """One run and the results folder that it is taken from."""

    results: Results
    manifest: dict[str, Any]

    @property
    def column(self) -> str:
        return column_name(self.manifest["dataset"], self.manifest["limit"])

    @property
    def folder(self) -> Path:
        return self.results.run_folder(self.manifest["key"])

    @property
    def data_folder(self) -> Path:
        return self.results.dataset_folder(self.manifest["dataset"], self.manifest["data_hash"])

    @property
    def parts(self) -> set[str]:
        """What the run needs in its results folder, by the names of `Results.damaged`."""
        split = self.manifest["split"]["hash"]
        return {f"runs/{self.folder.name}", f"datasets/{self.data_folder.name}", f"splits/{split}.json"}


def merge(folders: Sequence[Path], out: Path) -> int:
    """Copy the current runs of all results folders into the new folder ``out``; returns their number.

    When several folders have a run, an ok one comes before a failed one, then the newest. Damaged runs, and
    runs of an older preparation or version, are left out with a warning.

    Raises
    ------
    StbenchError
        Where a folder is no results folder or holds a link, ``out`` is not empty, a dataset was prepared in
        two ways, a metric has two versions, or one truth has two contents. Nothing is written then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StbenchError(f"'{out}' exists and is not empty. Give a new folder with --out.")
    runs = [run for folder in folders for run in _runs(folder)]
    data = ((run.column, run.manifest["data_hash"], run.results.folder) for run in runs)
    _check_one_value(data, "Dataset", "prepared in two ways", "Run one of them again")
    _check_one_value(
        _definitions(runs), "Metric", "scored by two versions", "Score again with stbench leaderboard"
    )
    _check_one_value(_truths(runs), "The truth of", "stored in two ways", "Find out which folder was changed")
    runs.sort(key=lambda run: (run.manifest["status"] == OK, run.manifest.get("started") or ""))
    chosen = {run.manifest["key"]: run for run in runs}  # the last run with a key remains
    merged = Results.create(out)
    for run in chosen.values():
        copy_run(run, merged)
    return len(chosen)


def copy_run(run: Run, results: Results) -> None:
    """Copy a run into another results folder, with its dataset and its split, unless they are there."""
    dataset = run.manifest["dataset"], run.manifest["data_hash"]
    _copy(run.data_folder, results.dataset_folder(*dataset), DATASET_FILES)
    results.store_split(run.results.split(run.manifest["split"]["hash"]))
    _copy(run.folder, results.run_folder(run.manifest["key"]), RUN_FILES)


def _runs(folder: Path) -> list[Run]:
    """The current runs of a results folder that are not damaged."""
    results = Results.open(folder)
    refuse_links(folder, "results folder")
    damaged = results.damaged(thorough=True)
    for part, reason in damaged.items():
        log.warning("Left out, damaged: %s (%s)", folder / part, reason)
    runs = [Run(results, manifest) for manifest in newest(results.manifests())]
    return [run for run in runs if not damaged.keys() & run.parts]


def _truths(runs: list[Run]) -> Iterator[tuple[str, str, Path]]:
    for folder, results in {run.data_folder: run.results for run in runs}.items():
        if not (folder / "truth.h5ad").is_file():
            raise StbenchError(f"'{folder}' has no truth.h5ad: the results folder is not complete.")
        yield folder.name, sha256(folder / "truth.h5ad"), results.folder


def _definitions(runs: list[Run]) -> Iterator[tuple[str, str, Path]]:
    for run in runs:
        file = run.folder / "scores.parquet"
        if run.manifest["status"] == OK and file.is_file():
            scores = stored_scores(file)[["metric", "definition"]].drop_duplicates().astype(str)
            for metric, definition in scores.itertuples(index=False, name=None):
                yield metric, definition, run.results.folder


def _check_one_value(found: Iterator[tuple[str, str, Path]], noun: str, problem: str, remedy: str) -> None:
    """Raise when ``found`` (name, value, folder) has two values for one name."""
    first: dict[str, tuple[str, Path]] = {}
    for name, value, folder in found:
        known, where = first.setdefault(name, (value, folder))
        if value != known:
            raise StbenchError(
                f"{noun} '{name}' was {problem}: {known[:12]} in '{where}', {value[:12]} in '{folder}'. "
                f"Their numbers do not compare. {remedy}."
            )


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    """Copy the named files that exist, unless the target folder exists."""
    if target.is_dir():
        return
    with whole_folder(target) as part:
        for name in names:
            if (source / name).is_file():
                shutil.copyfile(source / name, part / name)
