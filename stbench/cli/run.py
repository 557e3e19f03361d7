"""``stbench run``: the main job."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stbench.cli.options import takes
from stbench.config.options import RunOptions

if TYPE_CHECKING:
    from stbench.runs.benchmark import Summary
    from stbench.runs.results import Results


@takes(RunOptions)
def run(options: RunOptions) -> None:
    """Run methods on datasets and write the leaderboard.

    Example: stbench run --methods causalged,tangram --datasets all
    """
    from stbench.cli.progress import live
    from stbench.runs.benchmark import run as run_grid

    try:
        with live() as reporter:
            summary = run_grid(options, reporter)
    except KeyboardInterrupt:
        print("Interrupted: finished runs are kept; the same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None
    _report(summary, options.out, dry_run=options.dry_run)
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
        _tables(summary.results)
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


def _tables(results: Results) -> None:
    from rich.console import Console

    from stbench.board.collect import collect
    from stbench.board.render import render
    from stbench.cli.table import show

    board = collect(results)
    console = Console()
    show(board, console if console.is_terminal else Console(width=200))  # a log need not fold its lines
    folder = results.folder / "leaderboard"
    folder.mkdir(exist_ok=True)
    paths = render(board, folder)
    print(f"Tables: {', '.join(path.name for path in paths)} in {folder}")
