"""Commands that run methods on datasets: ``stbench run``, ``audit``, and ``run-one`` for a job array."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stbench.cli.options import takes
from stbench.cli.table import console, show
from stbench.config.options import AuditOptions, RunOptions, named
from stbench.data.sources import catalogue, data_folders, to_fetch
from stbench.errors import require_package
from stbench.files import writable_folder
from stbench.runs.progress import Lines, shown
from stbench.runs.times import duration

if TYPE_CHECKING:
    from stbench.runs.benchmark import Forecast, Summary
    from stbench.runs.spec import RunSpec


@takes(RunOptions)
def run(options: RunOptions) -> None:
    """Run methods on datasets and write the leaderboard.

    Example: stbench run --methods causalged,tangram --datasets all
    """
    from stbench.runs.benchmark import run as run_grid

    try:
        with shown(options, Console()) as reporter:
            summary = run_grid(options, reporter)
    except KeyboardInterrupt:
        print("Interrupted: finished runs are kept; the same command continues here.", file=sys.stderr)
        raise typer.Exit(130) from None
    _report(summary, options.out)
    if list(options.datasets) == ["all"] and (hint := to_fetch(catalogue(data_folders(options.data)))):
        print(hint)
    if summary.bad or summary.broken_datasets or summary.without_answer:
        raise typer.Exit(1)


@takes(AuditOptions, "splits", "seeds", "sweep", "overwrite", "emit", "dry_run")
def audit(options: AuditOptions) -> None:
    """Score predictions with and without the hidden truth copied into them, as the published code does.

    Example: stbench audit --datasets pdac_a_st --methods kernel,spage
    """
    from stbench.audit.audit import audit as run_audit
    from stbench.audit.page import write_audit

    require_package("untrained decoder", "torch", "PyTorch", "torch")
    runs = replace(options, out=writable_folder(options.out) / "results")
    with shown(options, Console()) as reporter:
        found = run_audit(runs, reporter)
    for path in write_audit(found, options.out):
        print(f"Wrote {path}")


def _help(name: str) -> str:
    return str(named(RunOptions, name).metadata["help"])


def run_one(
    spec: Annotated[Path, typer.Argument(help="A run file, written by stbench run --emit slurm.")],
    threads: Annotated[str | None, typer.Option(metavar="N", help=_help("threads"))] = None,
    memory_limit: Annotated[str | None, typer.Option(metavar="SIZE", help=_help("memory_limit"))] = None,
) -> None:
    """Do one run and store it; its limits are those of the grid, or the ones given here.

    Example: stbench run-one results/slurm/cpu-0/0.json
    """
    from stbench.runs.benchmark import run_file
    from stbench.runs.manifest import BAD

    given = {"threads": threads, "memory_limit": memory_limit}
    changes = {name: value for name, value in given.items() if value is not None}
    if run_file(spec, Lines(Console()), changes)["status"] in BAD:
        raise typer.Exit(1)


def _report(summary: Summary, out: Path) -> None:
    from stbench.runs.manifest import title

    n_stored = len(summary.specs) - len(summary.todo)
    if summary.forecast is not None:
        _preview(summary.todo, summary.forecast)
        print(f"{len(summary.todo)} runs to do, {n_stored} there already.")
        return
    if summary.scripts:
        print(f"{len(summary.todo)} runs. Submit them with: sbatch {' '.join(map(str, summary.scripts))}")
        return
    if not summary.todo and summary.specs:
        print(f"Nothing to do: all {n_stored} runs are in {out}.")
    if summary.records:
        _tables(summary)
    for name, reason in summary.broken_datasets.items():
        print(f"Dataset {name} left out: {reason}")
    if first := summary.without_answer:
        reason = f"{first['label']} on {first['dataset']}: {first['status']}: {first['reason']}"
        print(f"Error: no run gave a prediction: {reason}", file=sys.stderr)
    if summary.bad:
        print(f"{len(summary.bad)} of {len(summary.specs)} runs failed:")
        for record in summary.bad:
            log = out / "runs" / record["key"] / "log.txt"
            print(f"  {title(record)}: {record['status']}: {record['reason']} (log: {log})")
        print(f"Run them again with: {shlex.join(['stbench', *sys.argv[1:]])} --overwrite failed")


def _preview(todo: Sequence[RunSpec], forecast: Forecast) -> None:
    """Print what each run of a dry run would need, and what all need together."""
    for spec in todo:
        if spec.key in forecast.cannot:
            print(f"cannot run {spec.title}: {forecast.cannot[spec.key]}")
            continue
        seconds = forecast.seconds.get(spec.key)
        cost = f"{spec.memory_bytes / 1e6:.0f} MB, {'time unknown' if seconds is None else duration(seconds)}"
        print(f"would run {spec.title} ({spec.preset}, {spec.device}, {cost})")
    together = f"with {forecast.at_once} runs at the same time"
    print(f"Time {together}: {forecast.time}, learned from finished runs of the same method and size.")
    print(f"Memory {together}: at most {forecast.memory_bytes / 1e9:.1f} GB, by the methods' own estimates.")
    if forecast.cannot:
        print(f"{len(forecast.cannot)} runs cannot be done here, for the reasons above.")


def _tables(summary: Summary) -> None:
    from stbench.board.collect import collect
    from stbench.board.render import render

    board = collect(summary.results)
    show(board, console())
    folder = summary.results.folder / "leaderboard"
    folder.mkdir(exist_ok=True)
    paths = render(board, folder)
    print(f"Tables: {', '.join(path.name for path in paths)} in {folder}")
