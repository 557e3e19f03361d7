"""The grid: every run is claimed, started by an executor, scored and stored. One outcome, one manifest.

A run that crashes, hangs or grows is one manifest with a status; it does not disturb the others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import pandas as pd

from stbench.data.prepare import Pair
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import InvalidPrediction
from stbench.files import disk_errors
from stbench.runs.claims import Claims
from stbench.runs.events import EventLog, Reporter
from stbench.runs.manifest import OK
from stbench.runs.provenance import environment
from stbench.runs.results import Results, run_manifest
from stbench.runs.spec import RunSpec
from stbench.runs.times import Times
from stbench.runs.workspace import Workspace
from stbench.scoring.prediction import score_prediction

POLL_SECONDS = 0.02
RETRY_SECONDS = 1.0  # between two looks at runs that another grid is making

log = logging.getLogger(__name__)


class Executor(Protocol):
    """Starts runs somewhere; see `stbench.runs.local_executor.LocalExecutor` for what each call does."""

    def warm(self, methods: Sequence[str]) -> None: ...
    def device(self, requested: str) -> str: ...
    def memory(self, device: str) -> int | None: ...
    def at_once(self, device: str) -> int: ...
    def problem(self, spec: RunSpec) -> str | None: ...
    def has_room(self, spec: RunSpec) -> bool: ...
    def start(self, spec: RunSpec, tables: Path) -> None: ...
    def progress(self) -> Iterator[tuple[RunSpec, float, dict[str, Any]]]: ...
    def ended(self) -> Iterator[tuple[RunSpec, dict[str, Any], Path]]: ...
    def close(self) -> None: ...


class Grid:
    """The runs of one call of stbench on their way into ``results``.

    `add` the runs of each dataset, then `run` them all. ``shared`` and ``references`` are those of
    `stbench.runs.workspace.Workspace`. Times are learned from ``results``, and from ``earlier`` ones.
    """

    def __init__(
        self,
        results: Results,
        executor: Executor,
        reporter: Reporter,
        *,
        shared: Path | None = None,
        references: Path | None = None,
        earlier: Results | None = None,
    ):
        self.results = results
        self.executor = executor
        self.reporter = reporter
        self.todo: list[RunSpec] = []
        self._earlier = earlier
        self._times = Times()
        self._claims = Claims(results.claims_folder)
        self._workspace = Workspace(results, shared, references)
        self._seen: dict[str, int | None] = {}  # stamps of the runs when this grid decided to make them
        self._environment = environment()

    def __enter__(self) -> Grid:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._workspace.__exit__(kind, error, trace)

    def add(
        self, pair: Pair, specs: Sequence[RunSpec], overwrite: str = "missing", *, store: bool = True
    ) -> None:
        """Take the runs on ``pair`` that are not stored yet, or those that ``overwrite`` names.

        With ``store``, the results folder gets what they are scored against.
        """
        self._seen |= {spec.key: self.results.stamp(spec.key) for spec in specs}
        todo = [spec for spec in specs if self._wanted(spec, overwrite)]
        self.todo += todo
        if todo and store:
            with self._claims.alone():
                self.results.store_truth(pair)
                for spec in todo:
                    self.results.store_split(spec.split)
            self._workspace.add(pair)

    def run(self) -> None:
        """Make every run and store its outcome; an interrupt kills what runs and keeps what finished."""
        if not self.todo:
            return
        with closing(EventLog(self.results.events_file, self.reporter)) as self.reporter:
            self._times = self.times()
            self.reporter.planned(self.todo, self._times)
            try:
                with disk_errors(self.results.folder):
                    self._run(list(self.todo))
            finally:
                self.executor.close()
                self._claims.release_all()

    def times(self) -> Times:
        """The times of the runs that are stored."""
        earlier = self._earlier.manifests() if self._earlier else []
        return Times([*earlier, *self.results.manifests()])

    def _wanted(self, spec: RunSpec, overwrite: str) -> bool:
        if not self.results.run_folder(spec.key).exists() or overwrite == "all":
            return True
        problem = self.results.damage(spec.key)
        if problem is not None:
            log.warning("Made again because it is damaged: %s (%s)", spec.title, problem)
            return True
        record = self.results.manifest(spec.key)
        return overwrite == "failed" and record is not None and record["status"] != OK

    def _run(self, waiting: list[RunSpec]) -> None:
        elsewhere: list[RunSpec] = []  # another grid is making them
        n_running, retry_at = 0, time.monotonic()
        while waiting or elsewhere or n_running:
            if elsewhere and time.monotonic() >= retry_at:
                waiting, elsewhere = waiting + elsewhere, []
                retry_at = time.monotonic() + RETRY_SECONDS
            spec = self._next(waiting)
            if spec is not None:
                if self._claims.take(spec.key):
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
        """Take the first run that could start now out of ``waiting``."""
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
        stamp = self.results.stamp(spec.key)
        if stamp is not None and stamp != self._seen.get(spec.key):  # another grid has stored it since
            record = self.results.manifest(spec.key)
            self._claims.release(spec.key)
            self.reporter.finished(spec, record or {})
            return False
        problem = self.executor.problem(spec)
        if problem is not None:
            self._store(spec, {"status": "skipped", "reason": problem}, None, None)
            return False
        self.executor.start(spec, self._workspace.tables(spec))
        return True

    def _finish(self, spec: RunSpec, outcome: dict[str, Any], folder: Path) -> None:
        scores = None
        if outcome["status"] == OK:
            try:
                truth = self.results.truth(spec.dataset, spec.data_hash)
                scores = score_prediction(folder / "prediction.h5ad", truth, spec.split.test)
            except InvalidPrediction as error:
                outcome |= {"status": "invalid", "reason": str(error)}
            except Exception as error:  # a metric may be a plugin, and the other runs go on
                reason = str(error) if isinstance(error, StbenchError) else f"{type(error).__name__}: {error}"
                outcome |= {"status": "failed", "reason": f"scoring: {reason}"}
        self._store(spec, outcome, folder, scores)

    def _store(
        self, spec: RunSpec, outcome: dict[str, Any], folder: Path | None, scores: pd.DataFrame | None
    ) -> None:
        manifest = run_manifest(spec, **self._environment, **outcome)
        self.results.store_run(manifest, folder, scores)
        self._times.learn(manifest)
        self._claims.release(spec.key)
        self.reporter.finished(spec, manifest)
