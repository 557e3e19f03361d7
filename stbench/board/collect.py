"""Scoring the runs of a results folder, and gathering everything into a `Board`.

Scores are kept with the definition of each metric. A metric that is new or was redefined is computed from
the stored prediction; no method runs again for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from stbench.board.archive import Archive
from stbench.board.board import Board
from stbench.board.columns import SCORES
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import InvalidPrediction
from stbench.files import whole_file
from stbench.metric import REGISTRY
from stbench.runs.manifest import OK
from stbench.runs.results import Results
from stbench.scoring.controls import CEILING, PERFECT, ceiling_scores, perfect
from stbench.scoring.prediction import long, score_prediction, stored_scores, truth_of
from stbench.scoring.scores import applicable, default_metrics, score

log = logging.getLogger(__name__)


def collect(results: Results, data: Iterable[Path] = ()) -> Board:
    """The board of a results folder: every run, every score, and the controls that the scorer makes.

    Damaged runs, and runs of an older preparation of a dataset or version of a method, are left out with a
    warning. ``data`` are folders where the renderers find the references.
    """
    for part, reason in results.damaged().items():
        log.warning("Left out, damaged: %s (%s) The same stbench run makes it again.", part, reason)
    manifests = newest(results.manifests())
    names = default_metrics()
    scores = [_run_scores(results, manifest, names) for manifest in manifests if manifest["status"] == OK]
    scores += _controls(results, manifests, names)
    runs = pd.DataFrame([_identity(r) | _outcome(r) for r in manifests])
    metrics = {name: REGISTRY.get(name) for name in names}
    archive = Archive(results, manifests, tuple(data))
    table = pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(columns=SCORES)
    return Board(table, runs, metrics, archive)


def newest(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest run of every cell, of the newest preparation of its dataset and version of its method."""
    order = sorted(manifests, key=lambda manifest: manifest.get("started") or "")
    data = {(r["dataset"], r["limit"]): r["data_hash"] for r in order}
    version = {(r["dataset"], r["limit"], r["method"]): r["version"] for r in order}
    cells = {
        tuple(_identity(r).values()): r["key"]
        for r in order
        if r["data_hash"] == data[r["dataset"], r["limit"]]
        and r["version"] == version[r["dataset"], r["limit"], r["method"]]
    }
    current = set(cells.values())
    if len(current) < len(manifests):
        log.warning(
            "%d older runs left out: the dataset was prepared anew, or the method or its preset has changed "
            "since.",
            len(manifests) - len(current),
        )
    return [manifest for manifest in manifests if manifest["key"] in current]


def _identity(manifest: dict[str, Any]) -> dict[str, Any]:
    split = manifest["split"]
    same = {key: manifest[key] for key in ("dataset", "kind", "family", "preset", "limit", "seed")}
    return same | {
        "method": manifest["label"],
        "split": split["hash"],
        "rotation": split["rotation"],
        "split_seed": split["split_seed"],
    }


def _outcome(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: manifest.get(key) for key in ("status", "reason", "wall_s", "peak_rss_bytes")}


def _run_scores(results: Results, manifest: dict[str, Any], names: list[str]) -> pd.DataFrame:
    """The scores of a run, brought up to date with the registered metrics."""
    try:
        return _renewed_scores(results, manifest, names)
    except (InvalidPrediction, OSError) as error:
        raise StbenchError(
            f"The run '{results.run_folder(manifest['key'])}' is damaged ({error}). Remove it with "
            f"stbench verify {results.folder} --remove; the same stbench run makes it again."
        ) from error


def _renewed_scores(results: Results, manifest: dict[str, Any], names: list[str]) -> pd.DataFrame:
    folder = results.run_folder(manifest["key"])
    file = folder / "scores.parquet"
    stored = stored_scores(file)
    known = set(zip(stored["metric"], stored["definition"], strict=True))
    missing = [name for name in names if (name, REGISTRY.get(name).definition) not in known]
    missing = applicable(
        missing,
        coordinates="spatial" in results.truth(manifest["dataset"], manifest["data_hash"]).obsm,
        intervals=_has_intervals(folder / "prediction.h5ad"),
    )
    if missing:
        targets = results.split(manifest["split"]["hash"]).test
        truth = results.truth(manifest["dataset"], manifest["data_hash"])
        new = score_prediction(folder / "prediction.h5ad", truth, targets, missing)
        stored = pd.concat([stored[~stored["metric"].isin(missing)], new], ignore_index=True)
        with whole_file(file) as part:
            stored.to_parquet(part, index=False)
    wanted = stored[stored["metric"].isin(names)].drop(columns="definition")
    return wanted.assign(**_identity(manifest))


def _has_intervals(file: Path) -> bool:
    import h5py

    if not file.is_file():
        return False
    with h5py.File(file) as stored:
        return {"lower", "upper"} <= set(stored.get("layers", ()))


def _controls(results: Results, manifests: list[dict[str, Any]], names: list[str]) -> list[pd.DataFrame]:
    """Scores of ``perfect`` and ``ceiling`` on every split that was run."""
    frames = []
    ceilings: dict[str, pd.DataFrame] = {}
    splits = {(r["dataset"], r["data_hash"], r["split"]["hash"]): r for r in manifests}
    for (dataset, data_hash, split_hash), manifest in splits.items():
        targets = results.split(split_hash).test
        table = results.truth(dataset, data_hash)
        truth = truth_of(table, targets)
        coordinates = table.obsm.get("spatial")
        tables = {PERFECT: score(truth, perfect(truth), names, coordinates=coordinates)}
        if manifest["units"] == "counts":
            scored = tables[PERFECT].notna().any(axis=1)  # a gene constant in the truth has no ceiling either
            if data_hash not in ceilings:
                ceilings[data_hash] = _ceiling(table)
            tables[CEILING] = ceilings[data_hash].loc[list(targets)].where(scored)
        own = {"kind": "control", "family": "control", "preset": "", "seed": 0}
        frames += [
            long(table).drop(columns="definition").assign(**_identity(manifest) | own | {"method": name})
            for name, table in tables.items()
        ]
    return frames


def _ceiling(table: AnnData) -> pd.DataFrame:
    return ceiling_scores(table.layers["counts"], table.obs["total"].to_numpy()).set_axis(table.var_names)
