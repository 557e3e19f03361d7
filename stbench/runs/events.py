"""The events of a grid: for a reporter that shows them, and as lines of JSON in ``events.jsonl``.

Events: ``planned``, ``started``, ``progress`` and ``finished``, each with ``time``, ``key`` and ``title``.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stbench.runs.spec import RunSpec
    from stbench.runs.times import Times

PROGRESS_SECONDS = 10.0  # between two progress events of one run


class Reporter:
    """Gets every event of a grid to show it; this base class shows nothing."""

    def stages(self, names: Sequence[str]) -> None:
        """The work will have these stages."""

    def stage(self, name: str) -> None:
        """A stage starts: a grid, or work whose steps are `advanced`."""

    def advanced(self, done: int, total: int, what: str) -> None:
        """``done`` of ``total`` steps of a stage without runs are done; ``what`` they are."""

    def planned(self, specs: Sequence[RunSpec], times: Times) -> None:
        """A grid starts that will do these runs; ``times`` learns from each one that it stores."""

    def started(self, spec: RunSpec) -> None:
        """A run starts."""

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        """A run has taken ``seconds`` so far; ``state`` is the progress that its method reported."""

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        """A run is stored."""


class EventLog(Reporter):
    """Writes every event to ``file`` and passes it on to ``reporter``."""

    def __init__(self, file: Path, reporter: Reporter):
        self.reporter = reporter
        self._last: dict[str, float] = {}
        # one write per line to a file opened for appending: grids on one folder do not mix their lines
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        end = os.lseek(self._file, 0, os.SEEK_END)
        if end and os.pread(self._file, 1, end - 1) != b"\n":  # a writer was killed before the line ended
            os.write(self._file, b"\n")

    def planned(self, specs: Sequence[RunSpec], times: Times) -> None:
        for spec in specs:
            self._write("planned", spec, method=spec.label, dataset=spec.dataset, likeness=spec.likeness)
        self.reporter.planned(specs, times)

    def started(self, spec: RunSpec) -> None:
        self._write("started", spec)
        self.reporter.started(spec)

    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None:
        if state and time.monotonic() - self._last.get(spec.key, 0) >= PROGRESS_SECONDS:
            self._last[spec.key] = time.monotonic()
            self._write("progress", spec, seconds=round(seconds, 1), **state)
        self.reporter.progress(spec, seconds, state)

    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None:
        self._last.pop(spec.key, None)
        outcome = {name: manifest.get(name) for name in ("status", "reason", "wall_s")}
        self._write("finished", spec, **outcome)
        self.reporter.finished(spec, manifest)

    def close(self) -> None:
        """Close the file; its content is already written."""
        os.close(self._file)

    def _write(self, event: str, spec: RunSpec, **about: Any) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "event": event, "key": spec.key, "title": spec.title} | about
        os.write(self._file, json.dumps(line).encode() + b"\n")


def read_events(file: Path) -> Iterator[dict[str, Any]]:
    """The events in ``file``, without lines that a killed writer left incomplete."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and {"time", "event", "key", "title"} <= event.keys():
                yield event
