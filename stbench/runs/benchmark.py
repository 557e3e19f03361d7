"""``stbench run``: from the options of a command to a results folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stbench.config.options import RunOptions
from stbench.config.variants import Variant, select_methods, variants
from stbench.data.cache import load
from stbench.data.sources import Dataset, catalogue, data_folders, select
from stbench.errors import StbenchError
from stbench.files import disk_errors
from stbench.method import REGISTRY
from stbench.plugins import load_plugin
from stbench.runs import slurm
from stbench.runs.events import Reporter
from stbench.runs.executors import open_executor
from stbench.runs.grid import Executor, Grid
from stbench.runs.local_executor import host_bytes
from stbench.runs.manifest import BAD, OK
from stbench.runs.results import Results
from stbench.runs.spec import RunSpec, plan
from stbench.runs.times import Expected

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecast:
    """What the runs of a dry run would need.

    ``cannot`` has the reason for each run, by key, that cannot be done here. ``seconds`` has the expected
    time of each run with an estimate. ``time`` is that of all together, with ``at_once`` at the same time;
    ``memory_bytes`` that of so many of the largest.
    """

    cannot: dict[str, str]
    seconds: dict[str, float]
    time: Expected
    at_once: int
    memory_bytes: int


@dataclass
class Summary:
    """The result of `run`: all runs, those to do now, and the manifests by key of those that are stored.

    ``broken_datasets`` has the reasons by name. ``scripts`` are the job scripts that ``--emit`` wrote.
    ``forecast`` is that of a dry run.
    """

    results: Results
    specs: list[RunSpec] = field(default_factory=list)
    todo: list[RunSpec] = field(default_factory=list)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken_datasets: dict[str, str] = field(default_factory=dict)
    scripts: list[Path] = field(default_factory=list)
    forecast: Forecast | None = None

    @property
    def bad(self) -> list[dict[str, Any]]:
        """The manifests of this grid that failed in some way."""
        return [record for record in self.records.values() if record["status"] in BAD]

    @property
    def without_answer(self) -> dict[str, Any] | None:
        """The first manifest if all runs of the grid are unsupported or skipped; None otherwise."""
        answered = any(record["status"] in (OK, *BAD) for record in self.records.values())
        return None if answered else next(iter(self.records.values()), None)


def run(options: RunOptions, reporter: Reporter | None = None) -> Summary:
    """Prepare the datasets, do the runs that are missing, and return a summary.

    A wrong option raises before any folder exists. A dataset that cannot be prepared is in the summary; its
    error is raised if no other dataset is requested.
    """
    chosen, datasets = _requested(options)
    results = Results.create(options.out)
    summary = Summary(results)
    references = slurm.folder(results) if options.emit else None
    with (
        disk_errors(results.folder),
        open_executor(options, results.folder) as executor,
        Grid(results, executor, reporter or Reporter(), shared=options.shared, references=references) as grid,
    ):
        if not (options.dry_run or options.emit):
            executor.warm([variant.cls.info.name for variant in chosen])
        device = executor.device(options.device)
        memory = options.memory_limit if options.emit else executor.memory(device)
        for dataset in datasets:
            try:
                pair = load(dataset, options.limit)
                specs = plan(
                    pair,
                    chosen,
                    preset=options.preset,
                    device=device,
                    memory=memory,
                    n_splits=options.splits,
                    split_seed=options.split_seed,
                    n_seeds=options.seeds,
                )
            except StbenchError as error:
                if len(datasets) == 1:
                    raise
                summary.broken_datasets[dataset.name] = str(error)
                continue
            log.info(pair.describe())
            summary.specs += specs
            grid.add(pair, specs, options.overwrite, store=not options.dry_run)
        summary.todo = grid.todo
        if options.emit and grid.todo and not options.dry_run:
            summary.scripts = slurm.emit(grid.todo, results, options)
        elif options.dry_run:
            summary.forecast = _forecast(grid, executor, device)
        else:
            grid.run()
    for key in (spec.key for spec in summary.specs if results.damage(spec.key) is None):
        if (record := results.manifest(key)) is not None:
            summary.records[key] = record
    return summary


def _forecast(grid: Grid, executor: Executor, device: str) -> Forecast:
    """What the runs of ``grid`` would need."""
    times, at_once = grid.times(), executor.at_once(device)
    problems = {spec.key: executor.problem(spec) or REGISTRY.get(spec.method).missing() for spec in grid.todo}
    able = [spec for spec in grid.todo if not problems[spec.key]]
    seconds = {spec.key: known for spec in able if (known := times.of(spec.likeness)) is not None}
    largest = sorted(map(host_bytes, able), reverse=True)[:at_once]
    return Forecast(
        cannot={key: problem for key, problem in problems.items() if problem},
        seconds=seconds,
        time=times.expected([spec.likeness for spec in able], at_once=at_once),
        at_once=at_once,
        memory_bytes=sum(largest),
    )


def run_file(file: Path, reporter: Reporter, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The manifest of the run in ``file``, see `stbench.runs.slurm`; the run is done if it is not stored.

    ``changes`` replace the options that are stored with the run.
    """
    spec, folder, kept = slurm.read_spec(file)
    options = RunOptions.of(kept, {"out": folder, "jobs": 1}, changes or {})
    for plugin in options.plugin:
        load_plugin(plugin)
    results = Results.create(options.out)
    with (
        disk_errors(results.folder),
        open_executor(options, results.folder) as executor,
        Grid(results, executor, reporter, references=slurm.folder(results)) as grid,
    ):
        grid.todo = [spec]
        grid.run()
    record = results.manifest(spec.key)
    if record is None:
        raise StbenchError(f"The run of '{file}' was not stored in '{folder}'.")
    return record


def _requested(options: RunOptions) -> tuple[list[Variant], list[Dataset]]:
    """The methods with their parameters, and the datasets; a wrong name or value raises."""
    for plugin in options.plugin:
        load_plugin(plugin)
    if not options.methods:
        raise StbenchError("--methods is missing: give names (see `stbench list methods`) or all.")
    methods = select_methods(options.methods)
    if options.methods == ("all",):
        for name, cls in REGISTRY.items().items():
            if missing := cls.missing():
                log.warning("Method %s left out: %s", name, missing)
    datasets, notices = select(options.datasets, catalogue(data_folders(options.data)))
    datasets = [dataset.with_rules(**options.rules) for dataset in datasets]
    for notice in notices:
        log.info(notice)
    return variants(methods, options.set, options.sweep), datasets
