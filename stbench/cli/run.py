"""``stbench run``: the main job."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stbench.runs.benchmark import Summary


class Overwrite(StrEnum):
    """Which runs to make: those that are missing, the failed ones too, or all."""

    missing = "missing"
    failed = "failed"
    all = "all"


class Engine(StrEnum):
    """Where runs are made."""

    local = "local"
    dask = "dask"


class Emit(StrEnum):
    """What is written instead of making the runs."""

    slurm = "slurm"


class Preset(StrEnum):
    """Sizes of the methods that have presets."""

    cpu = "cpu"
    paper = "paper"


def run(
    methods: Annotated[str | None, typer.Option(help="Names with commas, or all.")] = None,
    datasets: Annotated[str | None, typer.Option(help="Names with commas, or all.  [default: all]")] = None,
    data: Annotated[list[Path] | None, typer.Option(help="Folder of datasets; also $STBENCH_DATA.")] = None,
    out: Annotated[Path | None, typer.Option(help="Results folder.  [default: results]")] = None,
    splits: Annotated[int | None, typer.Option(help="Rotations over genes, 1 to 10.  [default: 1]")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Seed of the folds of genes.  [default: 0]")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds per method: 0, 1, ...  [default: 1]")] = None,
    jobs: Annotated[int | None, typer.Option(help="Runs at once.  [default: half the cores]")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:i.  [default: auto]")] = None,
    preset: Annotated[Preset | None, typer.Option(help="Sizes of the methods.  [default: by device]")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="method.parameter=value; may be repeated.")
    ] = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="method.parameter=a,b,c: one run for each; may be repeated.")
    ] = None,
    limit: Annotated[str | None, typer.Option(help="cells=N,spots=N,genes=N: a seeded subsample.")] = None,
    timeout: Annotated[str | None, typer.Option(help="Kill a run after 90s, 30m or 2h.")] = None,
    executor: Annotated[Engine | None, typer.Option(help="local or dask.  [default: local]")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address or scheduler file of a Dask cluster.")
    ] = None,
    cluster: Annotated[Path | None, typer.Option(help="TOML file of a cluster for dask-jobqueue.")] = None,
    shared: Annotated[Path | None, typer.Option(help="Folder that all Dask workers see.")] = None,
    emit: Annotated[Emit | None, typer.Option(help="slurm: write a job array, start no run.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads per run.  [default: cores / jobs]")] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(help="Kill a run that holds more, e.g. 8GB.  [default: 90% of the machine]"),
    ] = None,
    memory_budget: Annotated[
        str | None,
        typer.Option(help="Estimated memory of runs started together.  [default: 90% of the machine]"),
    ] = None,
    disk_limit: Annotated[
        str | None, typer.Option(help="Kill a run that writes more.  [default: 20GB]")
    ] = None,
    overwrite: Annotated[
        Overwrite | None, typer.Option(help="Which runs to make.  [default: missing]")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with further plugins.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with these options; flags win.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the runs, start none.")] = False,
) -> None:
    """Run methods on datasets and write the leaderboard.

    Example: stbench run --methods causalged,tangram --datasets all
    """
    from stbench.cli.progress import live
    from stbench.config.options import make_config, read_config
    from stbench.runs.benchmark import run as run_grid

    flags: dict[str, Any] = {
        "methods": methods, "datasets": datasets, "data": data, "out": out, "splits": splits,
        "split_seed": split_seed, "seeds": seeds, "jobs": jobs, "device": device, "preset": preset,
        "set": set_, "sweep": sweep, "limit": limit, "timeout": timeout, "threads": threads,
        "memory_limit": memory_limit, "memory_budget": memory_budget, "disk_limit": disk_limit,
        "executor": executor, "scheduler": scheduler, "cluster": cluster, "shared": shared, "emit": emit,
        "overwrite": overwrite, "plugin": plugin, "dry_run": dry_run or None,
    }  # fmt: skip
    given = {key: value for key, value in flags.items() if value is not None}
    settings = make_config(read_config(config) if config else {}, given)
    try:
        with live() as reporter:
            summary = run_grid(settings, reporter, say=print, command=("stbench", *sys.argv[1:]))
    except KeyboardInterrupt:
        print("Interrupted: finished runs are kept; the same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None
    _report(summary, settings.out, dry_run=settings.dry_run)
    if summary.bad or summary.broken_datasets or summary.without_answer:
        raise typer.Exit(1)


def _report(summary: Summary, out: Path, *, dry_run: bool) -> None:
    there = len(summary.specs) - len(summary.todo)
    if dry_run:
        for spec in summary.todo:
            print(f"would run {spec.title} ({spec.preset}, {spec.device})")
        print(f"{len(summary.todo)} runs to do, {there} there already.")
        return
    if summary.scripts:
        print(f"{len(summary.todo)} runs to hand in with: sbatch {' '.join(map(str, summary.scripts))}")
        return
    if not summary.todo and summary.specs:
        print(f"Nothing to do: all {there} runs are in {out}.")
    if summary.records:
        _tables(out)
    for name, reason in summary.broken_datasets.items():
        print(f"Dataset {name} left out: {reason}")
    for record in summary.without_answer:
        name = f"{record['label']} on {record['dataset']}"
        print(
            f"Error: no run gave a prediction: {name}: {record['status']}: {record['reason']}",
            file=sys.stderr,
        )
    if summary.bad:
        print(f"{len(summary.bad)} of {len(summary.specs)} runs failed:")
        for record in summary.bad:
            title = f"{record['label']} · {record['dataset']} · split {record['split']['rotation']}"
            log = out / "runs" / record["key"] / "log.txt"
            print(f"  {title}: {record['status']}: {record['reason']} (log: {log})")
        print(f"Run them again with: {shlex.join(['stbench', *sys.argv[1:]])} --overwrite failed")


def _tables(out: Path) -> None:
    from rich.console import Console

    from stbench.board.collect import collect
    from stbench.board.render import render
    from stbench.cli.table import show
    from stbench.runs.results import Results

    board = collect(Results.open(out), print)
    console = Console()
    show(board, console if console.is_terminal else Console(width=200))  # a log need not fold its lines
    folder = out / "leaderboard"
    folder.mkdir(exist_ok=True)
    paths = render(board, folder)
    print(f"Tables: {', '.join(path.name for path in paths)} in {folder}")
