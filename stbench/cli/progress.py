"""Shows a grid while it runs: a bar and a live line per run, or plain lines without a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from stbench.runs.events import Reporter

if TYPE_CHECKING:
    from stbench.runs.spec import RunSpec


@contextlib.contextmanager
def live() -> Iterator[Reporter]:
    """The reporter for this terminal, or for a log."""
    console = Console()
    if not console.is_terminal:
        yield Lines()
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TextColumn("{task.fields[state]}"), console=console) as progress:
        yield Bars(progress)


class Lines(Reporter):
    """Prints a line when a run starts and one when it ends."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def planned(self, specs: Sequence[RunSpec]) -> None:
        self.total, self.done = len(specs), 0

    def started(self, spec: RunSpec) -> None:
        print(f"start {spec.title}", flush=True)

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        self.done += 1
        print(f"[{self.done}/{self.total}] {_outcome(spec, manifest)}", flush=True)


class Bars(Reporter):
    """Shows a bar per grid, and a line per run with the progress of its method."""

    def __init__(self, view: Progress):
        self.view = view
        self.rows: dict[str, TaskID] = {}

    def planned(self, specs: Sequence[RunSpec]) -> None:
        self.grid = self.view.add_task("all runs", total=len(specs), state="")

    def started(self, spec: RunSpec) -> None:
        self.rows[spec.key] = self.view.add_task(spec.title, total=None, state="")

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        if state:
            numbers = {key: value for key, value in state["info"].items() if value is not None}
            info = "  ".join(f"{key} {value:.4g}" for key, value in numbers.items())
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
    return f"{spec.title}: {manifest['status']}{reason}" + (f" ({', '.join(cost)})" if cost else "")
