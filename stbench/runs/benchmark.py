"""``stbench run``: from a `RunConfig` to a results folder and its board."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stbench.config.options import RunConfig, make_config
from stbench.config.settings import parse_settings, select_methods, variants
from stbench.data.cache import load
from stbench.data.prepare import Limit, Pair
from stbench.data.sources import catalogue, data_folders, select
from stbench.errors import StbenchError
from stbench.files import disk_errors
from stbench.method import REGISTRY
from stbench.plugins import load_plugin
from stbench.runs import slurm
from stbench.runs.claims import Claims
from stbench.runs.events import EventLog
from stbench.runs.executors import open_executor
from stbench.runs.grid import Grid, Reporter, silent
from stbench.runs.manifest import BAD, OK, damage
from stbench.runs.provenance import environment
from stbench.runs.results import Results
from stbench.runs.spec import RunSpec, plan
from stbench.runs.workspace import Workspace


@dataclass
class Summary:
    """What a call of `run` did: runs that were already there, runs made now, datasets that failed to load.

    ``scripts`` are the jobs that were written (``--emit``) instead of making the runs.
    """

    specs: list[RunSpec] = field(default_factory=list)
    todo: list[RunSpec] = field(default_factory=list)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken_datasets: dict[str, str] = field(default_factory=dict)
    scripts: list[Path] = field(default_factory=list)

    @property
    def bad(self) -> list[dict[str, Any]]:
        """Records of this grid that failed in some way."""
        return [record for record in self.records.values() if record["status"] in BAD]

    @property
    def without_answer(self) -> list[dict[str, Any]]:
        """The first record where every run of the grid was unsupported or skipped: nothing was predicted."""
        records = list(self.records.values())
        return [] if self.bad or any(r["status"] == OK for r in records) else records[:1]


def run(
    config: RunConfig,
    reporter: Callable[[list[RunSpec]], Reporter] = silent,
    *,
    say: Callable[[str], None] = lambda text: None,
    command: tuple[str, ...] = (),
) -> Summary:
    """Prepare the datasets, run what is missing, and return what happened.

    ``reporter`` is called with the runs to do; ``say`` hears one line at a time. Datasets that cannot be
    prepared are reported at the end; where one was asked for alone, its error is raised.
    """
    for plugin in config.plugin:
        load_plugin(plugin)
    if not config.methods:
        raise StbenchError("--methods is missing: give names (see `stbench list methods`) or all.")
    methods = select_methods(config.methods)
    if config.methods == ("all",):
        for name, cls in REGISTRY.items().items():
            if missing := cls.missing():
                say(f"Method {name} left out: {missing}")
    settings = variants(
        [cls.info.name for cls in methods],
        parse_settings(config.set),
        parse_settings(config.sweep, "--sweep"),
    )
    limit = Limit.parse(config.limit)
    datasets, notices = select(config.datasets, catalogue(data_folders(config.data)))
    for notice in notices:
        say(notice)
    results = Results.create(config.out)
    summary = Summary()
    seen: dict[str, int | None] = {}
    references = slurm.folder(results) if config.emit else None
    with (
        disk_errors(results.folder),
        Workspace(results, config.shared, references) as workspace,
        open_executor(config) as executor,
    ):
        device = executor.device(config.device)
        for dataset in datasets:
            try:
                pair = load(dataset, limit, say)
                specs = plan(
                    pair,
                    methods,
                    settings=settings,
                    preset=config.preset,
                    device=device,
                    n_splits=config.splits,
                    split_seed=config.split_seed,
                    n_seeds=config.seeds,
                )
            except StbenchError as error:
                if len(datasets) == 1:
                    raise
                summary.broken_datasets[dataset.name] = str(error)
                continue
            say(describe(pair))
            seen |= {spec.key: results.stamp(spec.key) for spec in specs}
            todo = [spec for spec in specs if _wanted(results, spec, config.overwrite, say)]
            summary.specs += specs
            summary.todo += todo
            if todo and not config.dry_run:
                with Claims(results.claims_folder).alone():
                    results.store_truth(pair)
                    for spec in todo:
                        results.store_split(spec.split)
                workspace.add(pair)
        if summary.todo and config.emit and not config.dry_run:
            summary.scripts = slurm.emit(summary.todo, results, config)
        elif summary.todo and not config.dry_run:
            with closing(EventLog(results.events_file, reporter(summary.todo), summary.todo)) as events:
                grid = Grid(workspace, results, executor, events, seen=seen, environment=environment(command))
                grid.run(summary.todo)
    stored = (spec.key for spec in summary.specs if damage(results.run_folder(spec.key)) is None)
    summary.records = {key: record for key in stored if (record := results.record(key)) is not None}
    return summary


def make_one(file: Path, reporter: Reporter, *, command: tuple[str, ...] = ()) -> dict[str, Any]:
    """Make the one run that ``file`` describes, unless it is there; its manifest."""
    spec, folder, options = slurm.read_spec(file)
    config = make_config(options, {"out": folder, "jobs": 1})
    for plugin in config.plugin:
        load_plugin(plugin)
    results = Results.create(config.out)
    with (
        disk_errors(results.folder),
        Workspace(results, references=slurm.folder(results)) as workspace,
        open_executor(config) as executor,
        closing(EventLog(results.events_file, reporter, [])) as events,
    ):
        Grid(workspace, results, executor, events, seen={}, environment=environment(command)).run([spec])
    record = results.record(spec.key)
    if record is None:
        raise StbenchError(f"The run of '{file}' was not stored in '{folder}'.")
    return record


def describe(pair: Pair) -> str:
    """One line on a prepared dataset: sizes, what left, what was inferred."""
    report = pair.report
    parts = [
        f"{pair.name}: {report['cells']} of {report['cells_raw']} cells",
        f"{report['spots']} of {report['spots_raw']} spots",
        f"{report['genes']} of {report['genes_shared']} shared genes",
    ]
    if report["genes_constant"]:
        parts.append(f"{report['genes_constant']} constant genes left out")
    if report["genes_differing_in_case"]:
        count = len(report["genes_differing_in_case"])
        parts.append(
            f"{count} genes differ in case only and are not matched ({report['genes_differing_in_case'][0]})"
        )
    parts += [f"WARNING: {difference}" for difference in report["unexpected"]]
    if report["inferred"]:
        parts.append("inferred " + ", ".join(f"{key}={value}" for key, value in report["inferred"].items()))
    return ", ".join(parts)


def _wanted(results: Results, spec: RunSpec, overwrite: str, say: Callable[[str], None]) -> bool:
    folder = results.run_folder(spec.key)
    if not folder.exists() or overwrite == "all":
        return True
    problem = damage(folder)
    if problem is not None:
        say(f"Made again because it is damaged: {spec.title} ({problem})")
        return True
    record = results.record(spec.key)
    return overwrite == "failed" and record is not None and record["status"] != OK
