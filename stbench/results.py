"""The results folder: one folder per run, the truths they are scored against, and the scores.

::

    datasets/<name>-<hash>/  dataset.json  truth.h5ad
    splits/<hash>.json
    runs/<key>/              manifest.json  prediction.h5ad  log.txt  scores.parquet

Every folder appears whole or not at all, so two results folders are merged by copying.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from stbench.errors import StbenchError
from stbench.files import read_h5ad, read_json, whole_folder, writable_folder, write_json
from stbench.grid import RunSpec
from stbench.prepare import Pair
from stbench.splits import Split

FORMAT = 1
OK = "ok"
BAD = ("failed", "timeout", "out_of_memory", "invalid")  # these make the exit code non-zero
STATUSES = (OK, *BAD, "unsupported", "skipped")


class Results:
    """A results folder, made when it does not exist."""

    def __init__(self, folder: Path):
        self.folder = folder

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
        """Where grids say which runs they are making."""
        return self.folder / ".claims"

    def stamp(self, key: str) -> int | None:
        """Changes whenever the run ``key`` is stored anew; None where there is none."""
        try:
            return (self.run_folder(key) / "manifest.json").stat().st_mtime_ns
        except OSError:
            return None

    def store_truth(self, pair: Pair) -> None:
        """Keep what the scorer needs: the prepared spatial table, the card, what the preparation did."""
        folder = self.dataset_folder(pair.name, pair.hash)
        if folder.is_dir():
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
                },
            )

    def store_split(self, split: Split) -> None:
        """Keep the gene names of a split, once."""
        file = self.folder / "splits" / f"{split.hash}.json"
        if not file.exists():
            write_json(file, asdict(split) | {"hash": split.hash})

    def truth(self, dataset: str, data_hash: str) -> AnnData:
        """The prepared spatial table of a dataset, with all its genes."""
        return read_h5ad(self.dataset_folder(dataset, data_hash) / "truth.h5ad")

    def split(self, split_hash: str) -> Split:
        """A stored split."""
        content = read_json(self.folder / "splits" / f"{split_hash}.json")
        roles = {role: tuple(content[role]) for role in ("train", "val", "test")}
        return Split(content["rotation"], content["split_seed"], **roles)

    def record(self, key: str) -> dict[str, Any] | None:
        """The manifest of a finished run, None where there is none."""
        file = self.run_folder(key) / "manifest.json"
        return read_json(file) if file.is_file() else None

    def records(self) -> list[dict[str, Any]]:
        """The manifests of all finished runs, sorted by dataset, split, seed, method."""
        found = [read_json(file) for file in (self.folder / "runs").glob("[!.]*/manifest.json")]
        return sorted(found, key=lambda r: (r["dataset"], r["split"]["rotation"], r["seed"], r["label"]))

    def store_run(
        self, manifest: dict[str, Any], work: Path | None = None, scores: pd.DataFrame | None = None
    ) -> None:
        """Keep a finished run: its manifest, and from ``work`` its prediction (where ok) and its log."""
        with whole_folder(self.run_folder(manifest["key"])) as part:
            write_json(part / "manifest.json", {"format": FORMAT} | manifest)
            for name in ("log.txt", "prediction.h5ad"):
                keep = manifest["status"] == OK or name == "log.txt"
                if work is not None and keep and (work / name).is_file():
                    shutil.copyfile(work / name, part / name)
            if scores is not None:
                scores.to_parquet(part / "scores.parquet", index=False)


def run_manifest(spec: RunSpec, **outcome: Any) -> dict[str, Any]:
    """The manifest of ``spec``; ``outcome`` brings status, reason, times, memory and the environment."""
    content = asdict(spec)
    split = content.pop("split")
    content["split"] = {"hash": spec.split.hash, **{k: split[k] for k in ("rotation", "split_seed")}}
    content["memory_estimate_bytes"] = content.pop("memory_bytes")
    return {"key": spec.key} | content | {"reason": ""} | outcome
