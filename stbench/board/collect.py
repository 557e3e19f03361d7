"""Scores the runs of a results folder and collects everything in a `Board`.

Every score is stored with the definition of its metric. A new or redefined metric is computed from the
stored prediction, without another run of the method.
"""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from stbench.board.archive import Archive
from stbench.board.board import Board
from stbench.board.columns import DETAILS, OUTCOME, SCORES
from stbench.board.submitted import uncounted
from stbench.data.visible import visible_spatial
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import InvalidPrediction
from stbench.files import whole_file
from stbench.metric import REGISTRY
from stbench.runs.manifest import OK
from stbench.runs.results import Results
from stbench.scoring.controls import CEILING, PERFECT, ceiling_scores, perfect
from stbench.scoring.oracle import ORACLE, oracle_scores
from stbench.scoring.prediction import long, score_prediction, stored_scores
from stbench.scoring.scores import MetricFailed, applicable, default_metrics, other_genes, score
from stbench.tables import frame

log = logging.getLogger(__name__)


def collect(results: Results, metrics: Iterable[str] = (), *, include_submitted: bool = False) -> Board:
    """The board of a results folder: every run, every score, and the controls of the scorer.

    Damaged runs are left out with a warning, and so are runs of an older preparation of a dataset or of an
    older version of a method, and metrics that raise. ``metrics`` are computed besides the default ones.
    ``include_submitted`` is that of the `Board`.
    """
    for part, reason in results.damaged().items():
        log.warning("Left out, damaged: %s (%s) The same stbench run repeats it.", part, reason)
    manifests = newest(results.manifests())
    if manifests:
        left_out = uncounted(pd.DataFrame(map(_identity, manifests)), include_submitted=include_submitted)
        splits = ((run["dataset"], run["limit"], run["split"]["hash"]) for run in manifests)
        manifests = [run for run, split in zip(manifests, splits, strict=True) if split not in left_out]
    names = list(dict.fromkeys([*default_metrics(), *(REGISTRY.get(name).name for name in metrics)]))
    while True:
        try:
            frames = [_run_scores(results, run, names) for run in manifests if run["status"] == OK]
            frames += _controls(results, manifests, names)
            break
        except MetricFailed as error:
            log.warning("Left out of the tables: %s", error)
            names.remove(error.metric)
    scores = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=SCORES)
    runs = pd.DataFrame([_identity(run) | _outcome(run) for run in manifests])
    scored = {name: REGISTRY.get(name) for name in names}
    archive = Archive(results, manifests)
    return Board(scores, runs, scored, archive, include_submitted=include_submitted)


def newest(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest run of every cell, among those of the newest preparation and version."""
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
            "%d older runs left out: their dataset was prepared again, or method or preset has changed.",
            len(manifests) - len(current),
        )
    return [manifest for manifest in manifests if manifest["key"] in current]


def _outcome(manifest: dict[str, Any]) -> dict[str, Any]:
    values = {key: manifest.get(key) for key in (*OUTCOME, *DETAILS)}
    for key in ("chosen", "scaled"):
        values[key] = json.dumps(values[key], sort_keys=True) if values[key] else None
    return values


def _identity(manifest: dict[str, Any]) -> dict[str, Any]:
    split = manifest["split"]
    same = {key: manifest[key] for key in ("dataset", "kind", "family", "preset", "limit", "seed")}
    return same | {
        "method": manifest["label"],
        "split": split["hash"],
        "rotation": split["rotation"],
        "split_seed": split["split_seed"],
    }


def _run_scores(results: Results, manifest: dict[str, Any], names: list[str]) -> pd.DataFrame:
    """The scores of a run; missing and outdated ones are computed and stored."""
    folder = results.run_folder(manifest["key"])
    file, prediction = folder / "scores.parquet", folder / "prediction.h5ad"
    stored = stored_scores(file)
    known = set(zip(stored["metric"], stored["definition"], strict=True))
    missing = [name for name in names if (name, REGISTRY.get(name).definition) not in known]
    try:
        truth = results.truth(manifest["dataset"], manifest["data_hash"])
        targets = results.split(manifest["split"]["hash"]).test
        missing = applicable(
            missing,
            coordinates="spatial" in truth.obsm,
            intervals=_has_intervals(prediction),
            visible=truth.n_vars > len(targets),
        )
        if missing:
            new = score_prediction(prediction, truth, targets, missing)
            stored = pd.concat([stored[~stored["metric"].isin(missing)], new], ignore_index=True)
            with whole_file(file) as part:
                stored.to_parquet(part, index=False)
    except (InvalidPrediction, OSError) as error:
        raise StbenchError(
            f"The run '{folder}' is damaged ({error}). Remove it with "
            f"stbench verify {shlex.quote(str(results.folder))} --remove; the same stbench run repeats it."
        ) from error
    requested = stored[stored["metric"].isin(names)].drop(columns="definition")
    return requested.assign(**_identity(manifest))


def _has_intervals(file: Path) -> bool:
    import h5py

    if not file.is_file():
        return False
    with h5py.File(file) as stored:
        return {"lower", "upper"} <= set(stored.get("layers", ()))


def _controls(results: Results, manifests: list[dict[str, Any]], names: list[str]) -> list[pd.DataFrame]:
    """Scores of ``perfect``, ``ceiling`` and ``oracle`` on every split that was run."""
    own = {"kind": "control", "family": "control", "preset": "", "seed": 0}
    frames = []
    ceilings: dict[str, pd.DataFrame] = {}
    splits = {(r["dataset"], r["data_hash"], r["split"]["hash"]): r for r in manifests}
    for (dataset, data_hash, split_hash), manifest in splits.items():
        split = results.split(split_hash)
        targets = split.test
        table = results.truth(dataset, data_hash)
        truth = frame(table, targets)
        known = {"coordinates": table.obsm.get("spatial"), "visible": other_genes(table, targets)}
        tables = {PERFECT: score(truth, perfect(truth), names, **known)}
        scored = tables[PERFECT].notna().any(axis=1)  # a gene constant in the truth has no score of any
        oracle = oracle_scores(visible_spatial(table, split, manifest["units"]), truth, names)
        if oracle is not None:
            tables[ORACLE] = oracle.where(scored)
        if manifest["units"] == "counts":
            if data_hash not in ceilings:
                found = ceiling_scores(table.layers["counts"], table.obs["total"].to_numpy())
                ceilings[data_hash] = found.set_axis(table.var_names)
            tables[CEILING] = ceilings[data_hash].loc[list(targets)].where(scored)
        frames += [
            long(scores).drop(columns="definition").assign(**_identity(manifest) | own | {"method": name})
            for name, scores in tables.items()
        ]
    return frames
