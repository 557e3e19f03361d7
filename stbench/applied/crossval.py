"""Cross-validation over the measured genes of one pair: each is hidden once and predicted from the others.

Nested: further runs predict the validation genes of each rotation from its train genes alone. A choice made
from these is independent of the test genes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from stbench.config.options import ChooseOptions, PredictOptions
from stbench.config.variants import Variant
from stbench.data.prepare import Pair
from stbench.data.split import Split
from stbench.files import cache_folder, sha256
from stbench.metric import headline
from stbench.plugins import loaded_files
from stbench.runs.events import Reporter
from stbench.runs.executors import open_executor
from stbench.runs.grid import Grid
from stbench.runs.manifest import OK
from stbench.runs.results import Results
from stbench.runs.spec import RunSpec, plan
from stbench.scoring.prediction import score_prediction

CHOICE, ACCURACY = "choose the method", "measure its accuracy"  # stages, for the reporter
INNER = "inner"  # folder of the inner runs, in the results folder of the outer ones
SPLIT_SEED = 0


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """The runs of a cross-validation and their scores.

    ``specs`` are the outer runs, ``results`` is their folder. ``outer`` and ``inner`` have one row per gene
    and method with ``method``, ``kind``, ``rotation``, ``gene`` and ``pcc``: of the test genes, and of the
    validation genes predicted from the train genes. They hold only methods that are ok in every run;
    ``failures`` has the reason for every other method by name. ``inner`` is empty unless nested.
    """

    pair: Pair
    results: Results
    specs: list[RunSpec]
    outer: pd.DataFrame
    inner: pd.DataFrame
    failures: dict[str, str]

    def __repr__(self) -> str:
        return f"CrossValidation of {len(self.specs)} runs on {self.pair.name}, in '{self.results.folder}'"


def runs_folder(pair: Pair) -> Path:
    """The folder in the cache for runs on ``pair`` and with the plugin files as they are now."""
    plugins = [sha256(file) for file in sorted(loaded_files())]
    name = hashlib.sha256("".join([pair.hash, *plugins]).encode()).hexdigest()[:16]
    return cache_folder("runs") / f"{pair.name}-{name}"


def cross_validate(
    pair: Pair,
    methods: Sequence[Variant],
    options: ChooseOptions | PredictOptions,
    folder: Path | None,
    reporter: Reporter,
    *,
    nested: bool,
) -> CrossValidation:
    """The cross-validation of ``methods`` on ``options.splits`` rotations; ``folder`` keeps the results.

    Without one, they are in `runs_folder`, and runs that failed there before are done again.
    """
    overwrite = "missing" if folder else "failed"
    folder = folder or runs_folder(pair)
    results = Results.create(folder)
    failures: dict[str, str] = {}
    inner = pd.DataFrame(columns=_columns())
    chosen_in = Results.create(folder / INNER) if nested else None

    def scores(specs: list[RunSpec], results: Results) -> pd.DataFrame:
        with Grid(results, executor, reporter, shared=options.shared, earlier=chosen_in) as grid:
            grid.add(pair, specs, overwrite)
            grid.run()
        return _scores(specs, results, failures)

    with open_executor(options, folder) as executor:
        executor.warm([variant.cls.info.name for variant in methods])
        device = executor.device(options.device)
        specs = plan(
            pair,
            methods,
            preset=options.preset,
            device=device,
            memory=executor.memory(device),
            n_splits=options.splits,
            split_seed=SPLIT_SEED,
            n_seeds=1,
        )
        if chosen_in is not None:
            inner_specs = [replace(spec, split=inner_split(spec.split)) for spec in specs]
            reporter.stage(CHOICE)
            inner = scores(inner_specs, chosen_in)
        reporter.stage(ACCURACY)
        outer = scores(specs, results)
    inner, outer = (table[~table["method"].isin(failures)] for table in (inner, outer))
    return CrossValidation(pair, results, specs, outer, inner, failures)


def inner_split(split: Split) -> Split:
    """The split with the validation genes as test genes and the train genes divided anew, 5 : 2."""
    n_val = round(len(split.train) * 2 / 7)
    train, val = split.train[n_val:], split.train[:n_val]
    return Split(split.rotation, split.split_seed, train, val, split.val)


def _scores(specs: list[RunSpec], results: Results, failures: dict[str, str]) -> pd.DataFrame:
    """Scores per gene of the ok runs; ``failures`` gets the first reason of every other method."""
    tables = []
    for spec in specs:
        record = results.manifest(spec.key) or {"status": "not run", "reason": ""}
        if record["status"] != OK:
            failures.setdefault(spec.label, f"{record['status']}: {record['reason']}")
            continue
        file = results.run_folder(spec.key) / "prediction.h5ad"
        scores = score_prediction(file, results.truth(spec.dataset, spec.data_hash), spec.split.test)
        scores = scores[(scores["metric"] == headline()) & scores["value"].notna()]
        table = pd.DataFrame({"gene": scores["gene"], headline(): scores["value"]})
        tables.append(table.assign(method=spec.label, kind=spec.kind, rotation=spec.split.rotation))
    return pd.concat(tables, ignore_index=True)[_columns()] if tables else pd.DataFrame(columns=_columns())


def _columns() -> list[str]:
    return ["method", "kind", "rotation", "gene", headline()]
