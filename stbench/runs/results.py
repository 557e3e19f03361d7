"""The results folder: one folder per run, the truths they are scored against, and the scores.

::

    datasets/<name>-<hash>/  dataset.json  truth.h5ad
    splits/<hash>.json
    runs/<key>/              manifest.json  prediction.h5ad  log.txt  scores.parquet
    events.jsonl             events with their times
    .claims/<key>            locked while a grid does that run

Every folder appears complete or not at all, so two results folders are merged by copying.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData
from pydantic import TypeAdapter, ValidationError

from stbench.data.prepare import Pair
from stbench.data.split import Split
from stbench.errors import StbenchError
from stbench.files import read_h5ad, read_json, sha256, whole_folder, writable_folder, write_json
from stbench.runs.manifest import OK, read_manifest, title
from stbench.runs.spec import RunSpec

FORMAT = 1
MAX_LOG_BYTES = 1 << 20
KEPT_TRUTHS = 2  # tables in memory: scores are computed dataset by dataset


class Results:
    """A results folder; use `create` or `open`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._read_truth = lru_cache(KEPT_TRUTHS)(read_h5ad)
        self._manifests: dict[tuple[str, int], dict[str, Any]] = {}  # by key and stamp

    def __repr__(self) -> str:
        return f"Results of {len(self.keys())} runs in '{self.folder}'"

    @classmethod
    def create(cls, folder: Path) -> Results:
        """The results folder at ``folder``, writable."""
        writable_folder(folder)
        for part in ("datasets", "splits", "runs", ".claims"):
            (folder / part).mkdir(exist_ok=True)
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> Results:
        """An existing results folder."""
        if not (folder / "runs").is_dir():
            raise StbenchError(
                f"'{folder}' is not a results folder (it has no 'runs'). Give the --out of a run."
            )
        return cls(folder)

    def dataset_folder(self, dataset: str, data_hash: str) -> Path:
        return self.folder / "datasets" / f"{dataset}-{data_hash[:12]}"

    def run_folder(self, key: str) -> Path:
        return self.folder / "runs" / key

    @property
    def claims_folder(self) -> Path:
        """The folder where grids mark the runs that they do now."""
        return self.folder / ".claims"

    @property
    def events_file(self) -> Path:
        """The file of events, see `stbench.runs.events`."""
        return self.folder / "events.jsonl"

    def stamp(self, key: str) -> int | None:
        """A number that changes when the run ``key`` is stored again; None without such a run."""
        try:
            return (self.run_folder(key) / "manifest.json").stat().st_mtime_ns
        except OSError:
            return None

    def store_truth(self, pair: Pair) -> None:
        """Store what the scorer needs: the prepared spatial table, card and report."""
        folder = self.dataset_folder(pair.name, pair.hash)
        if _is_sound(folder):
            return
        about = {"format": FORMAT, "name": pair.name, "hash": pair.hash, "limit": str(pair.limit)}
        about |= {"card": asdict(pair.card), "report": pair.report}
        with whole_folder(folder) as part:
            pair.spatial.write_h5ad(part / "truth.h5ad", compression="gzip")
            write_json(part / "dataset.json", about | {"truth_sha256": sha256(part / "truth.h5ad")})

    def store_split(self, split: Split) -> None:
        """Store the gene names of a split, once."""
        try:
            self.split(split.hash)
        except StbenchError:
            write_json(self.folder / "splits" / f"{split.hash}.json", asdict(split) | {"hash": split.hash})

    def truth(self, dataset: str, data_hash: str) -> AnnData:
        """The prepared spatial table of a dataset, with all its genes."""
        return self._read_truth(self.dataset_folder(dataset, data_hash) / "truth.h5ad")

    def split(self, split_hash: str) -> Split:
        """A stored split; its content is checked against its hash."""
        file = self.folder / "splits" / f"{split_hash}.json"
        content = read_json(file)
        try:
            split = TypeAdapter(Split).validate_python(content)
        except ValidationError as error:
            raise StbenchError(f"File '{file}' is not a split ({error.errors()[0]['msg']}).") from error
        if split.hash != split_hash:
            raise StbenchError(f"File '{file}' has changed since it was stored.")
        return split

    def manifest(self, key: str) -> dict[str, Any] | None:
        """The manifest of a finished run, None without such a run; `StbenchError` for a damaged one.

        The file is read once, and again after a change, because another grid may store the run again.
        """
        folder, stamp = self.run_folder(key), self.stamp(key)
        if stamp is None:
            return read_manifest(folder) if folder.exists() else None  # raises: the file is missing
        if (key, stamp) not in self._manifests:
            self._manifests[key, stamp] = read_manifest(folder)
        return self._manifests[key, stamp]

    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of all finished runs that are sound, sorted by dataset, split, seed, method."""
        sound = (self.manifest(key) for key in self.keys() if self.damage(key) is None)
        return sorted(
            filter(None, sound), key=lambda m: (m["dataset"], m["split"]["rotation"], m["seed"], m["label"])
        )

    def damage(self, key: str, *, thorough: bool = False) -> str | None:
        """The damage of the stored run ``key``; None for a sound run, and without such a run.

        The quick check reads the manifest and the size of the prediction, the thorough check all its bytes.
        """
        try:
            manifest = self.manifest(key)
        except StbenchError as error:
            return str(error)
        if manifest is None or manifest["status"] != OK:
            return None
        prediction = self.run_folder(key) / "prediction.h5ad"
        if not prediction.is_file():
            return f"File '{prediction}' is missing."
        if manifest.get("prediction_bytes") not in (None, prediction.stat().st_size):
            return f"File '{prediction}' has another size than when it was stored."
        if thorough and manifest.get("prediction_sha256") not in (None, sha256(prediction)):
            return f"File '{prediction}' has changed since it was stored."
        return None

    def damaged(self, *, thorough: bool = False) -> dict[str, str]:
        """The damage of each damaged run, split and dataset, by its path in this folder.

        The quick check reads every manifest, the thorough check every stored byte.
        """
        found = {self.run_folder(key): self.damage(key, thorough=thorough) for key in self.keys()}
        if thorough:
            for file in self.folder.glob("splits/[!.]*.json"):
                try:
                    self.split(file.stem)
                except StbenchError as error:
                    found[file] = str(error)
            for folder in self.folder.glob("datasets/[!.]*"):
                if not _is_sound(folder):
                    found[folder] = f"Folder '{folder}' is damaged."
        return {str(path.relative_to(self.folder)): reason for path, reason in found.items() if reason}

    def remove(self, part: str) -> None:
        """Remove a part of this folder that `damaged` names; the next grid does a removed run again."""
        path = self.folder / part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def keys(self) -> list[str]:
        """The keys of all stored runs, sound or damaged."""
        return sorted(path.name for path in (self.folder / "runs").glob("[!.]*"))

    def store_run(
        self, manifest: dict[str, Any], work: Path | None = None, scores: pd.DataFrame | None = None
    ) -> None:
        """Store a finished run: its manifest, and from ``work`` its log and, if it is ok, its prediction.

        Only the grid that holds the claim of the run may call this.
        """
        folder = self.run_folder(manifest["key"])
        for incomplete in folder.parent.glob(f".{folder.name}.*"):  # left by a killed grid
            shutil.rmtree(incomplete)
        with whole_folder(folder) as part:
            if work is not None and (work / "log.txt").is_file():
                _copy_end(work / "log.txt", part / "log.txt")
            if work is not None and manifest["status"] == OK:
                prediction = shutil.copyfile(work / "prediction.h5ad", part / "prediction.h5ad")
                size = prediction.stat().st_size
                manifest = manifest | {"prediction_bytes": size, "prediction_sha256": sha256(prediction)}
            write_json(part / "manifest.json", {"format": FORMAT} | manifest)
            if scores is not None:
                scores.to_parquet(part / "scores.parquet", index=False)


def run_called(results: Results, wanted: str) -> dict[str, Any]:
    """The manifest of the run whose key starts with ``wanted``, or whose title contains it.

    Raises `StbenchError` where there is none, or more than one: the message lists them.
    """
    manifests = results.manifests()
    found = [m for m in manifests if m["key"].startswith(wanted)] or [
        m for m in manifests if wanted in title(m)
    ]
    if not found:
        raise StbenchError(
            f"No run of '{results.folder}' is called '{wanted}'. "
            f"See: stbench status {shlex.quote(str(results.folder))}"
        )
    if len(found) > 1:
        names = "; ".join(f"{m['key'][:8]} {title(m)}" for m in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise StbenchError(f"'{wanted}' names {len(found)} runs: {names}{more}. Give the start of a key.")
    return found[0]


def _is_sound(folder: Path) -> bool:
    """Whether the truth in a dataset folder has not changed since it was stored."""
    try:
        stored = read_json(folder / "dataset.json")
        return stored.get("truth_sha256") in (None, sha256(folder / "truth.h5ad"))
    except (StbenchError, OSError, AttributeError):
        return False


def _copy_end(source: Path, target: Path) -> None:
    """Copy a log; only the end of a long one, because the error is there."""
    with source.open("rb") as log, target.open("wb") as copy:
        if source.stat().st_size > MAX_LOG_BYTES:
            copy.write(b"[the beginning is left out]\n")
            log.seek(-MAX_LOG_BYTES, 2)
        shutil.copyfileobj(log, copy)


def run_manifest(spec: RunSpec, **outcome: Any) -> dict[str, Any]:
    """The manifest of ``spec``; ``outcome`` has status, reason, times, memory and the environment."""
    content = {"key": spec.key, **asdict(spec), "reason": ""}
    content["memory_estimate_bytes"] = content.pop("memory_bytes")
    content["split"] = {name: getattr(spec.split, name) for name in ("hash", "rotation", "split_seed")}
    return content | outcome
