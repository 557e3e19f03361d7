"""Shows a grid while it runs: bars in a terminal, one line in a notebook, lines in a log.

The time left is that of `stbench.runs.times`: unknown until runs of the same method and size have finished.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from stbench.config.options import Options
from stbench.runs.events import PROGRESS_SECONDS, Reporter
from stbench.runs.times import Expected, Times, duration

if TYPE_CHECKING:
    from stbench.runs.spec import RunSpec

UPDATE_SECONDS = 0.5  # between two looks at the time left
RUNS = "all runs"


@contextlib.contextmanager
def shown(options: Options, console: Console) -> Iterator[Reporter]:
    """The reporter that ``--quiet`` or ``--verbose`` asks for, or else the one that fits the console."""
    if options.quiet:
        yield Reporter()
    elif options.verbose:
        yield Lines(console, verbose=True)
    elif console.is_jupyter:
        yield Notebook()
    elif console.is_terminal:
        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]}", markup=False, table_column=rest),
        ]
        with Progress(*columns, console=console, expand=True) as view:
            yield Bars(view)
    else:
        yield Lines(console)


class _Counter(Reporter):
    """Counts the runs of a grid and knows the time that is left."""

    def __init__(self) -> None:
        self.total = self.done = self.at_once = 0
        self.times = Times()
        self.names: list[str] = []
        self.name = RUNS
        self._waiting: dict[str, str] = {}
        self._running: dict[str, tuple[str, float]] = {}
        self._looked = 0.0

    def stages(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def stage(self, name: str) -> None:
        self.name = name

    def planned(self, specs: Sequence[RunSpec], times: Times) -> None:
        self.total, self.done, self.at_once, self.times = len(specs), 0, 0, times
        self._waiting, self._running = {spec.key: spec.likeness for spec in specs}, {}

    def started(self, spec: RunSpec) -> None:
        self._running[spec.key] = (self._waiting.pop(spec.key), 0.0)
        self.at_once = max(self.at_once, len(self._running))

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        self._running[spec.key] = (spec.likeness, seconds)

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        self._running.pop(spec.key, None)
        self.done += 1

    def left(self) -> Expected:
        """The time until the last run ends, if as many as so far run at the same time."""
        return self.times.expected(self._waiting.values(), self._running.values(), at_once=self.at_once)

    def due(self) -> bool:
        """Whether to look at the time left again, which is costly in a large grid."""
        now = time.monotonic()
        if now - self._looked < UPDATE_SECONDS:
            return False
        self._looked = now
        return True


class Lines(_Counter):
    """Prints a line when a run starts and one when it ends; ``verbose`` also what its method reports."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__()
        self.console, self.verbose = console, verbose
        self._reported: dict[str, float] = {}

    def stage(self, name: str) -> None:
        super().stage(name)
        self._print(f"{name} ({self.names.index(name) + 1} of {len(self.names)})")

    def planned(self, specs: Sequence[RunSpec], times: Times) -> None:
        super().planned(specs, times)
        known = times.expected(self._waiting.values(), at_once=1)
        self._print(f"{len(specs)} runs; time of one after another: {known}")

    def started(self, spec: RunSpec) -> None:
        super().started(spec)
        self._print(f"start {spec.title}")

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        super().progress(spec, seconds, state)
        if self.verbose and state and seconds - self._reported.get(spec.key, 0) >= PROGRESS_SECONDS:
            self._reported[spec.key] = seconds
            self._print(f"{spec.title}: {_reported(state)} after {duration(seconds)}")

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        super().finished(spec, manifest)
        left = f"; left: {self.left()}" if self.done < self.total else ""
        self._print(f"[{self.done}/{self.total}] {_outcome(spec, manifest)}{left}")

    def advanced(self, done: int, total: int, what: str) -> None:
        self._print(f"{done} of {total} {what}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


class Bars(_Counter):
    """Shows a bar per stage, with the time left, and one per run with the progress of its method."""

    def __init__(self, view: Progress):
        super().__init__()
        self.view = view
        self._stages: dict[str, TaskID] = {}
        self._rows: dict[str, TaskID] = {}

    def stages(self, names: Sequence[str]) -> None:
        super().stages(names)
        self._stages = {name: self.view.add_task(name, start=False, total=1, state="") for name in names}

    def stage(self, name: str) -> None:
        super().stage(name)
        self.view.start_task(self._stages[name])

    def planned(self, specs: Sequence[RunSpec], times: Times) -> None:
        super().planned(specs, times)
        if self.name not in self._stages:
            self._stages[self.name] = self.view.add_task(self.name, state="")
        self._update()

    def started(self, spec: RunSpec) -> None:
        super().started(spec)
        self._rows[spec.key] = self.view.add_task(spec.title, total=None, state="")

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        super().progress(spec, seconds, state)
        row, expected = self._rows[spec.key], self.times.of(spec.likeness)
        if state:
            self.view.update(row, completed=state["done"], total=state["total"], state=_reported(state))
        elif expected:
            self.view.update(row, completed=min(seconds, expected), total=expected)
        if self.due():
            self._update()

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        super().finished(spec, manifest)
        self.view.remove_task(self._rows.pop(spec.key))
        self._update()
        if manifest["status"] != "ok":
            text = _outcome(spec, manifest)
            self.view.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def advanced(self, done: int, total: int, what: str) -> None:
        self._show(done, total, f"{done} of {total} {what}")

    def _update(self) -> None:
        left = f", left: {self.left()}" if self.done < self.total else ""
        self._show(self.done, self.total, f"{self.done} of {self.total}{left}")

    def _show(self, done: int, total: int, text: str) -> None:
        bar = self._stages[self.name]
        self.view.update(bar, completed=done, total=total, description=f"{self.name}: {text}")


class Notebook(_Counter):
    """Keeps one line of a notebook's output up to date, with a further line for each run that failed."""

    def __init__(self) -> None:
        from IPython.core.display_functions import display

        super().__init__()
        self._started = 0.0
        self._bad: list[str] = []
        self._display = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def planned(self, specs: Sequence[RunSpec], times: Times) -> None:
        super().planned(specs, times)
        self._started = time.monotonic()

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        super().progress(spec, seconds, state)
        if self.due():
            self._show(f"{self.done} of {self.total} runs, left: {self.left()}; now {spec.title}")

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        super().finished(spec, manifest)
        if manifest["status"] != "ok":
            self._bad.append(_outcome(spec, manifest))
        if self.done == self.total:
            self._show(f"{self.total} runs in {duration(time.monotonic() - self._started)}")

    def advanced(self, done: int, total: int, what: str) -> None:
        self._show(f"{done} of {total} {what}")

    def _show(self, text: str) -> None:
        self._display.update({"text/plain": "\n".join([f"{self.name}: {text}", *self._bad])}, raw=True)


def _reported(state: dict[str, Any]) -> str:
    """The progress that a method reported."""
    numbers = "".join(f"  {key} {value:.4g}" for key, value in state["info"].items() if value is not None)
    return f"{state['done']:g} of {state['total']:g}{numbers}"


def _outcome(spec: RunSpec, manifest: dict[str, Any]) -> str:
    seconds, memory = manifest.get("wall_s"), manifest.get("peak_rss_bytes")
    cost = [f"{seconds:.1f} s"] if seconds is not None else []
    cost += [f"{memory / 1e6:.0f} MB"] if memory is not None else []
    reason = f": {manifest['reason']}" if manifest["reason"] else ""
    return f"{spec.title}: {manifest['status']}{reason}" + (f" ({', '.join(cost)})" if cost else "")
