"""What a grid shows while it runs: a bar and a live line per run; plain lines without a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from stbench.runs.grid import Reporter
from stbench.runs.spec import RunSpec


@contextlib.contextmanager
def live() -> Iterator[Callable[[list[RunSpec]], Reporter]]:
    """A factory of the reporter that fits the terminal."""
    console = Console()
    if not console.is_terminal:
        yield lambda specs: Lines(len(specs))
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TextColumn("{task.fields[state]}"), console=console) as progress:
        yield lambda specs: Bars(progress, len(specs))


class Lines:
    """A line when a run starts and one when it ends."""

    def __init__(self, total: int):
        self.total = total
        self.done = 0

    def started(self, spec: RunSpec) -> None:
        print(f"start {spec.title}", flush=True)

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        pass

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        self.done += 1
        print(f"[{self.done}/{self.total}] {_outcome(spec, manifest)}", flush=True)


class Bars:
    """One bar for the grid, and a line per running run with what its method says."""

    def __init__(self, progress: Progress, total: int):
        self.view = progress
        self.grid = progress.add_task("all runs", total=total, state="")
        self.rows: dict[str, TaskID] = {}

    def started(self, spec: RunSpec) -> None:
        self.rows[spec.key] = self.view.add_task(spec.title, total=None, state="")

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        if state:
            info = "  ".join(
                f"{key} {value:.4g}" for key, value in state["info"].items() if value is not None
            )
            self.view.update(self.rows[spec.key], completed=state["done"], total=state["total"], state=info)

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        self.view.remove_task(self.rows.pop(spec.key))
        self.view.advance(self.grid)
        if manifest["status"] != "ok":
            self.view.console.print(_outcome(spec, manifest), markup=False)


def _outcome(spec: RunSpec, manifest: dict[str, Any]) -> str:
    seconds, memory = manifest.get("wall_s"), manifest.get("peak_rss_bytes")
    cost = [f"{seconds:.1f} s"] if seconds is not None else []
    cost += [f"{memory / 1e6:.0f} MB"] if memory is not None else []
    reason = f": {manifest['reason']}" if manifest["reason"] else ""
    return (
        f"{spec.title}: {manifest['status']}{reason} ({', '.join(cost)})"
        if cost
        else f"{spec.title}: {manifest['status']}{reason}"
    )
