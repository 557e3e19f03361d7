"""One results folder from several, made on different machines and perhaps by strangers.

Folders whose numbers do not compare are refused: two preparations of one dataset, two versions of one metric.
Nothing in the folders is trusted: only known files are copied, after a check; links are refused; nothing is
unpickled.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stbench.board.collect import newest
from stbench.errors import StbenchError
from stbench.files import sha256, whole_folder
from stbench.runs.manifest import OK
from stbench.runs.results import Results
from stbench.scoring.prediction import stored_scores

log = logging.getLogger(__name__)

RUN_FILES = ("manifest.json", "prediction.h5ad", "log.txt", "scores.parquet")
DATASET_FILES = ("dataset.json", "truth.h5ad")


@dataclass(frozen=True)
class _Run:
    """One run and the results folder that it is taken from."""

    results: Results
    manifest: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.results.run_folder(self.manifest["key"])


def merge(folders: Sequence[Path], out: Path) -> int:
    """Copy the current runs of all results folders into the new folder ``out``; returns their number.

    Of a run that is in several, one that is ok is taken before one that is not, then the newer. Damaged
    runs, and runs of an older preparation or version, are left out with a warning.

    Raises
    ------
    StbenchError
        Where a folder is no results folder or holds a link, ``out`` is not empty, a dataset was prepared in
        two ways, a metric has two versions, or one truth has two contents. Nothing is written then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StbenchError(f"'{out}' is there and not empty. Give a new folder with --out.")
    runs = [run for folder in folders for run in _runs(folder)]
    _check_one_value(_data_hashes(runs), "Dataset", "prepared in two ways", "Run one of them again")
    _check_one_value(
        _definitions(runs), "Metric", "scored by two versions", "Score again with stbench leaderboard"
    )
    _check_one_value(_truths(runs), "The truth of", "stored in two ways", "Find out which folder was changed")
    chosen = _choose(runs)
    merged = Results.create(out)
    for run in chosen:
        data = run.manifest["dataset"], run.manifest["data_hash"]
        _copy(run.results.dataset_folder(*data), merged.dataset_folder(*data), DATASET_FILES)
        merged.store_split(run.results.split(run.manifest["split"]["hash"]))
        _copy(run.folder, merged.run_folder(run.manifest["key"]), RUN_FILES)
    return len(chosen)


def _runs(folder: Path) -> list[_Run]:
    """The current and sound runs of a results folder."""
    results = Results.open(folder)
    _refuse_links(folder)
    damaged = results.damaged(thorough=True)
    for part, reason in damaged.items():
        log.warning("Left out, damaged: %s (%s)", folder / part, reason)
    runs = [_Run(results, manifest) for manifest in newest(results.manifests())]
    return [run for run in runs if not damaged.keys() & set(_parts(run))]


def _parts(run: _Run) -> Iterator[str]:
    """What a run needs in its results folder, as `Results.damaged` names it."""
    data = run.results.dataset_folder(run.manifest["dataset"], run.manifest["data_hash"])
    yield from (
        f"runs/{run.folder.name}",
        f"datasets/{data.name}",
        f"splits/{run.manifest['split']['hash']}.json",
    )


def _refuse_links(folder: Path) -> None:
    """Raise for anything below ``folder`` that is neither a file nor a folder, before it is opened."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise StbenchError(
                    f"'{path}' is a link or a device. A results folder holds plain files only."
                )


def _data_hashes(runs: list[_Run]) -> Iterator[tuple[str, str, Path]]:
    for run in runs:
        limit = f" [{run.manifest['limit']}]" if run.manifest["limit"] else ""
        yield run.manifest["dataset"] + limit, run.manifest["data_hash"], run.results.folder


def _truths(runs: list[_Run]) -> Iterator[tuple[str, str, Path]]:
    folders = {
        r.results.dataset_folder(r.manifest["dataset"], r.manifest["data_hash"]): r.results for r in runs
    }
    for folder, results in folders.items():
        if not (folder / "truth.h5ad").is_file():
            raise StbenchError(f"'{folder}' has no truth.h5ad: the results folder is not whole.")
        yield folder.name, sha256(folder / "truth.h5ad"), results.folder


def _definitions(runs: list[_Run]) -> Iterator[tuple[str, str, Path]]:
    for run in runs:
        file = run.folder / "scores.parquet"
        if run.manifest["status"] == OK and file.is_file():
            scores = stored_scores(file)[["metric", "definition"]].drop_duplicates().astype(str)
            for metric, definition in scores.itertuples(index=False, name=None):
                yield metric, definition, run.results.folder


def _check_one_value(found: Iterator[tuple[str, str, Path]], noun: str, problem: str, remedy: str) -> None:
    """Raise where one name has two values, naming the folders that hold them."""
    first: dict[str, tuple[str, Path]] = {}
    for name, value, folder in found:
        known, where = first.setdefault(name, (value, folder))
        if value != known:
            raise StbenchError(
                f"{noun} '{name}' was {problem}: {known[:12]} in '{where}', {value[:12]} in '{folder}'. "
                f"Their numbers do not compare. {remedy}."
            )


def _choose(runs: list[_Run]) -> list[_Run]:
    """One run for every key: ok before not ok, then the newest."""
    order = sorted(runs, key=lambda run: (run.manifest["status"] == OK, run.manifest.get("started") or ""))
    return list({run.manifest["key"]: run for run in order}.values())


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    """Copy the named files that are there, unless the folder is there already."""
    if target.is_dir():
        return
    with whole_folder(target) as part:
        for name in names:
            if (source / name).is_file():
                shutil.copyfile(source / name, part / name)
