"""The grid: every run is claimed, started by an executor, scored and stored. One outcome, one row.

A run that crashes, hangs or grows is one record with a status; the others never notice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from stbench.exchange.taskfolder import InvalidPrediction
from stbench.files import disk_errors
from stbench.runs.claims import Claims
from stbench.runs.manifest import OK
from stbench.runs.results import Results, run_manifest
from stbench.runs.spec import RunSpec
from stbench.runs.workspace import Workspace
from stbench.scoring.prediction import score_prediction

POLL_SECONDS = 0.05
RETRY_SECONDS = 1.0  # between two looks at runs that another grid is making


class Reporter(Protocol):
    """Hears what happens in the grid, to show it."""

    def started(self, spec: RunSpec) -> None: ...
    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None: ...
    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None: ...


class Silent(Reporter):
    """Hears it and shows nothing."""

    def started(self, spec: RunSpec) -> None: ...
    def progress(self, spec: RunSpec, seconds: float, state: dict[str, Any]) -> None: ...
    def finished(self, spec: RunSpec, manifest: dict[str, Any]) -> None: ...


def silent(specs: Sequence[RunSpec]) -> Reporter:
    """A reporter of ``specs`` that shows nothing."""
    return Silent()


class Executor(Protocol):
    """Starts runs somewhere; see `stbench.runs.local_executor.LocalExecutor` for what each call does."""

    def device(self, asked: str) -> str: ...
    def problem(self, spec: RunSpec) -> str | None: ...
    def has_room(self, spec: RunSpec) -> bool: ...
    def start(self, spec: RunSpec, task: Path) -> None: ...
    def progress(self) -> Iterator[tuple[RunSpec, float, dict[str, Any]]]: ...
    def ended(self) -> Iterator[tuple[RunSpec, dict[str, Any], Path]]: ...
    def close(self) -> None: ...


class Grid:
    """The runs of one call of stbench on their way into ``results``.

    ``seen`` holds `Results.stamp` of each run when the call decided to make it: a run that another grid has
    stored since is taken over and not made again. ``environment`` goes into every manifest.
    """

    def __init__(
        self,
        workspace: Workspace,
        results: Results,
        executor: Executor,
        reporter: Reporter,
        *,
        seen: Mapping[str, int | None],
        environment: dict[str, Any],
    ):
        self.workspace = workspace
        self.results = results
        self.executor = executor
        self.reporter = reporter
        self.seen = seen
        self.environment = environment
        self.claims = Claims(results.claims_folder)

    def run(self, specs: Sequence[RunSpec]) -> None:
        """Make every run and store its outcome; an interrupt kills what runs and keeps what finished."""
        try:
            with disk_errors(self.results.folder):
                self._run(list(specs))
        finally:
            self.executor.close()
            self.claims.release_all()

    def _run(self, waiting: list[RunSpec]) -> None:
        elsewhere: list[RunSpec] = []  # another grid is making them
        n_running, retry_at = 0, time.monotonic()
        while waiting or elsewhere or n_running:
            if elsewhere and time.monotonic() >= retry_at:
                waiting, elsewhere = waiting + elsewhere, []
                retry_at = time.monotonic() + RETRY_SECONDS
            spec = self._next(waiting)
            if spec is not None:
                if self.claims.take(spec.key):
                    n_running += self._start(spec)
                else:
                    elsewhere.append(spec)
                continue
            for spec, outcome, folder in self.executor.ended():
                n_running -= 1
                self._finish(spec, outcome, folder)
            for spec, seconds, state in self.executor.progress():
                self.reporter.progress(spec, seconds, state)
            time.sleep(POLL_SECONDS)

    def _next(self, waiting: list[RunSpec]) -> RunSpec | None:
        """Takes the first run that could start now out of ``waiting``."""
        refused = set()
        for i, spec in enumerate(waiting):
            need = spec.device, spec.memory_bytes
            if need in refused:  # a grid has thousands of runs and few kinds of need
                continue
            if self.executor.has_room(spec):
                return waiting.pop(i)
            refused.add(need)
        return None

    def _start(self, spec: RunSpec) -> bool:
        """Start a claimed run; False where there is nothing to wait for."""
        self.reporter.started(spec)
        made = self.results.stamp(spec.key)
        if made is not None and made != self.seen.get(spec.key):
            record = self.results.record(spec.key)
            self.claims.release(spec.key)
            self.reporter.finished(spec, record or {})
            return False
        problem = self.executor.problem(spec)
        if problem is not None:
            self._store(spec, {"status": "skipped", "reason": problem}, None, None)
            return False
        self.executor.start(spec, self.workspace.task(spec))
        return True

    def _finish(self, spec: RunSpec, outcome: dict[str, Any], folder: Path) -> None:
        scores = None
        if outcome["status"] == OK:
            try:
                truth = self.results.truth(spec.dataset, spec.data_hash)
                scores = score_prediction(folder / "prediction.h5ad", truth, spec.split.test)
            except InvalidPrediction as error:
                outcome |= {"status": "invalid", "reason": str(error)}
        self._store(spec, outcome, folder, scores)

    def _store(self, spec: RunSpec, outcome: dict[str, Any], folder: Path | None, scores: Any) -> None:
        manifest = run_manifest(spec, **self.environment, **outcome)
        self.results.store_run(manifest, folder, scores)
        self.claims.release(spec.key)
        self.reporter.finished(spec, manifest)
