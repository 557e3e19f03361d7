"""The results folder: one folder per run, the truths they are scored against, and the scores.

::

    datasets/<name>-<hash>/  dataset.json  truth.h5ad
    splits/<hash>.json
    runs/<key>/              manifest.json  prediction.h5ad  log.txt  scores.parquet
    events.jsonl             what happened when
    .claims/<key>            held while a grid makes that run

Every folder appears whole or not at all, so two results folders are merged by copying.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from stbench.data.prepare import Pair
from stbench.data.split import Split
from stbench.errors import StbenchError
from stbench.files import read_h5ad, read_json, sha256, whole_folder, writable_folder, write_json
from stbench.runs.manifest import OK, read_manifest
from stbench.runs.spec import RunSpec

FORMAT = 1
MAX_LOG_BYTES = 1 << 20
KEPT_TRUTHS = 2  # tables in memory: scores are computed dataset by dataset


class Results:
    """A results folder, made when it does not exist."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._truths: dict[Path, AnnData] = {}
        self._manifests: dict[str, tuple[int, dict[str, Any] | StbenchError]] = {}  # with the stamp

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
        """Where grids mark the runs that they are making."""
        return self.folder / ".claims"

    @property
    def events_file(self) -> Path:
        """What has happened here, see `stbench.runs.events`."""
        return self.folder / "events.jsonl"

    def stamp(self, key: str) -> int | None:
        """Changes whenever the run ``key`` is stored anew; None where there is none."""
        try:
            return (self.run_folder(key) / "manifest.json").stat().st_mtime_ns
        except OSError:
            return None

    def store_truth(self, pair: Pair) -> None:
        """Keep what the scorer needs: the prepared spatial table, the card, what the preparation did."""
        folder = self.dataset_folder(pair.name, pair.hash)
        if _is_sound(folder):
            return
        with whole_folder(folder) as part:
            pair.spatial.write_h5ad(part / "truth.h5ad", compression="gzip")
            write_json(
                part / "dataset.json",
                {
                    "format": FORMAT,
                    "name": pair.name,
                    "hash": pair.hash,
                    "limit": str(pair.limit),
                    "card": asdict(pair.card),
                    "report": pair.report,
                    "truth_sha256": sha256(part / "truth.h5ad"),
                },
            )

    def store_split(self, split: Split) -> None:
        """Keep the gene names of a split, once."""
        try:
            self.split(split.hash)
        except StbenchError:
            write_json(self.folder / "splits" / f"{split.hash}.json", asdict(split) | {"hash": split.hash})

    def truth(self, dataset: str, data_hash: str) -> AnnData:
        """The prepared spatial table of a dataset, with all its genes."""
        file = self.dataset_folder(dataset, data_hash) / "truth.h5ad"
        if file not in self._truths:
            if len(self._truths) == KEPT_TRUTHS:
                del self._truths[next(iter(self._truths))]
            self._truths[file] = read_h5ad(file)
        return self._truths[file]

    def split(self, split_hash: str) -> Split:
        """A stored split; its content is checked against its hash."""
        file = self.folder / "splits" / f"{split_hash}.json"
        content = read_json(file)
        try:
            roles = {role: tuple(map(str, content[role])) for role in ("train", "val", "test")}
            split = Split(content["rotation"], content["split_seed"], **roles)
        except (KeyError, TypeError) as error:
            raise StbenchError(f"File '{file}' is no split ({error!r}).") from error
        if split.hash != split_hash:
            raise StbenchError(f"File '{file}' has changed since it was stored.")
        return split

    def manifest(self, key: str) -> dict[str, Any] | None:
        """The manifest of a finished run, None where there is none; `StbenchError` for a damaged one.

        The file is read once and again after it has changed, as another grid may store the run anew.
        """
        folder, stamp = self.run_folder(key), self.stamp(key)
        if stamp is None:
            return read_manifest(folder) if folder.exists() else None  # raises: the file is missing
        if key not in self._manifests or self._manifests[key][0] != stamp:
            try:
                self._manifests[key] = stamp, read_manifest(folder)
            except StbenchError as error:
                self._manifests[key] = stamp, error
        found = self._manifests[key][1]
        if isinstance(found, StbenchError):
            raise found
        return found

    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of all finished runs that are sound, sorted by dataset, split, seed, method."""
        sound = (self.manifest(key) for key in self._keys() if self.damage(key) is None)
        manifests = [manifest for manifest in sound if manifest is not None]
        return sorted(manifests, key=lambda m: (m["dataset"], m["split"]["rotation"], m["seed"], m["label"]))

    def damage(self, key: str, *, thorough: bool = False) -> str | None:
        """What is wrong with the stored run ``key``; None for a sound run, and where there is none.

        The quick check reads the manifest and the size of the prediction, the thorough one all its bytes.
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
        """What is wrong with each stored run, split and dataset that is damaged, by its path in this folder.

        The quick check reads every manifest, the thorough one every byte of what is stored.
        """
        found = {self.run_folder(key): self.damage(key, thorough=thorough) for key in self._keys()}
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
        """Remove a part of this folder that `damaged` has named; a run is made again by the next grid."""
        path = self.folder / part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _keys(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "runs").glob("[!.]*"))

    def store_run(
        self, manifest: dict[str, Any], work: Path | None = None, scores: pd.DataFrame | None = None
    ) -> None:
        """Keep a finished run: its manifest, and from ``work`` its prediction (where ok) and its log.

        Only the grid that has claimed the run may call this.
        """
        folder = self.run_folder(manifest["key"])
        for half in folder.parent.glob(f".{folder.name}.*"):  # of a grid that was killed
            shutil.rmtree(half)
        with whole_folder(folder) as part:
            if work is not None and (work / "log.txt").is_file():
                _copy_end(work / "log.txt", part / "log.txt")
            if work is not None and manifest["status"] == OK:
                prediction = part / "prediction.h5ad"
                shutil.copyfile(work / prediction.name, prediction)
                manifest = manifest | {
                    "prediction_bytes": prediction.stat().st_size,
                    "prediction_sha256": sha256(prediction),
                }
            write_json(part / "manifest.json", {"format": FORMAT} | manifest)
            if scores is not None:
                scores.to_parquet(part / "scores.parquet", index=False)


def _is_sound(folder: Path) -> bool:
    """Whether a dataset folder holds the truth that was stored there."""
    try:
        stored = read_json(folder / "dataset.json")
        return stored.get("truth_sha256") in (None, sha256(folder / "truth.h5ad"))
    except (StbenchError, OSError, AttributeError):
        return False


def _copy_end(source: Path, target: Path) -> None:
    """Copy a log; of a long one only the end, which has the error."""
    with source.open("rb") as log, target.open("wb") as copy:
        if source.stat().st_size > MAX_LOG_BYTES:
            copy.write(b"[the beginning is left out]\n")
            log.seek(-MAX_LOG_BYTES, 2)
        shutil.copyfileobj(log, copy)


def run_manifest(spec: RunSpec, **outcome: Any) -> dict[str, Any]:
    """The manifest of ``spec``; ``outcome`` brings status, reason, times, memory and the environment."""
    content = asdict(spec)
    split = content.pop("split")
    content["split"] = {"hash": spec.split.hash, **{k: split[k] for k in ("rotation", "split_seed")}}
    content["memory_estimate_bytes"] = content.pop("memory_bytes")
    return {"key": spec.key} | content | {"reason": ""} | outcome
