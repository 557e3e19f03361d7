"""Cross-validation over the measured genes of one pair: each is hidden once and predicted from the others.

Nested: before the test genes of a rotation are predicted, its validation genes are predicted from its train
genes alone, in runs of their own. A choice made from those knows nothing of the test genes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from stbench.config.options import RunConfig
from stbench.config.settings import parse_settings, variants
from stbench.data.prepare import Pair
from stbench.data.split import Split
from stbench.method import Method
from stbench.runs.claims import Claims
from stbench.runs.executors import open_executor
from stbench.runs.grid import Executor, Grid, Reporter
from stbench.runs.manifest import OK
from stbench.runs.provenance import environment
from stbench.runs.results import Results
from stbench.runs.spec import RunSpec, plan
from stbench.runs.workspace import Workspace
from stbench.scoring.prediction import score_prediction

METRIC = "pcc"
INNER = "inner"  # folder of the inner runs, in the results folder of the outer ones
Reporting = Callable[[list[RunSpec]], Reporter]


@dataclass(frozen=True)
class CrossValidation:
    """The runs of a cross-validation and what they scored.

    Attributes
    ----------
    pair, results
        The prepared pair, and the folder with the outer runs.
    specs
        The outer runs.
    outer, inner
        One row per gene and method with ``method``, ``kind``, ``rotation``, ``gene`` and ``pcc``: of the test
        genes, and of the validation genes predicted from the train genes. Only methods that are ok in every
        run; ``inner`` is empty unless nested.
    failures
        Why the other methods are left out, by name.
    """

    pair: Pair
    results: Results
    specs: list[RunSpec]
    outer: pd.DataFrame
    inner: pd.DataFrame
    failures: dict[str, str]


def cross_validate(
    pair: Pair, methods: Sequence[type[Method]], config: RunConfig, reporter: Reporting, *, nested: bool
) -> CrossValidation:
    """Run ``methods`` on ``config.splits`` rotations of ``pair``; results go to ``config.out``."""
    settings = variants([cls.info.name for cls in methods], parse_settings(config.set), {})
    results = Results.create(config.out)
    failures: dict[str, str] = {}
    inner = pd.DataFrame(columns=["method", "kind", "rotation", "gene", METRIC])
    with open_executor(config) as executor:
        specs = plan(
            pair,
            methods,
            settings=settings,
            preset=config.preset,
            device=executor.device(config.device),
            n_splits=config.splits,
            split_seed=config.split_seed,
            n_seeds=1,
        )
        if nested:
            inner_specs = [replace(spec, split=inner_split(spec.split)) for spec in specs]
            inner_results = Results.create(config.out / INNER)
            _make(pair, inner_specs, inner_results, executor, config.shared, reporter)
            inner = _scores(inner_specs, inner_results, failures)
        _make(pair, specs, results, executor, config.shared, reporter)
    outer = _scores(specs, results, failures)
    inner, outer = (table[~table["method"].isin(failures)] for table in (inner, outer))
    return CrossValidation(pair, results, specs, outer, inner, failures)


def inner_split(split: Split) -> Split:
    """The validation genes of ``split`` as test genes; its train genes cut anew, 5 : 2."""
    n_val = round(len(split.train) * 2 / 7)
    train, val = split.train[n_val:], split.train[:n_val]
    return Split(split.rotation, split.split_seed, train, val, split.val)


def _make(
    pair: Pair,
    specs: list[RunSpec],
    results: Results,
    executor: Executor,
    shared: Path | None,
    reporter: Reporting,
) -> None:
    """Make the runs that are not there yet."""
    todo = [spec for spec in specs if results.record(spec.key) is None]
    if not todo:
        return
    with Claims(results.claims_folder).alone():
        results.store_truth(pair)
        for spec in todo:
            results.store_split(spec.split)
    seen: dict[str, Any] = dict.fromkeys(spec.key for spec in todo)
    origin = environment(tuple(sys.argv))
    with Workspace(results, shared) as workspace:
        workspace.add(pair)
        Grid(workspace, results, executor, reporter(todo), seen=seen, environment=origin).run(todo)


def _scores(specs: list[RunSpec], results: Results, failures: dict[str, str]) -> pd.DataFrame:
    """Scores per gene of the runs that are ok; ``failures`` gets the first reason of every other method."""
    tables = []
    for spec in specs:
        record = results.record(spec.key) or {"status": "not run", "reason": ""}
        if record["status"] != OK:
            failures.setdefault(spec.label, f"{record['status']}: {record['reason']}")
            continue
        file = results.run_folder(spec.key) / "prediction.h5ad"
        scores = score_prediction(file, results.truth(spec.dataset, spec.data_hash), spec.split.test)
        scores = scores[(scores["metric"] == METRIC) & scores["value"].notna()]
        table = pd.DataFrame({"gene": scores["gene"], METRIC: scores["value"]})
        tables.append(table.assign(method=spec.label, kind=spec.kind, rotation=spec.split.rotation))
    columns = ["method", "kind", "rotation", "gene", METRIC]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
