"""The state of a grid: which runs of its results folder are done, running, failed or waiting."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from stbench.runs.claims import Claims
from stbench.runs.events import read_events
from stbench.runs.manifest import BAD
from stbench.runs.results import Results

WAITING, RUNNING, DAMAGED = "waiting", "running", "damaged"


@dataclass(frozen=True)
class RunState:
    """One run as of now. ``status`` is that of its manifest, or waiting, running, damaged."""

    key: str
    title: str
    method: str
    dataset: str
    status: str
    reason: str = ""
    wall_s: float | None = None
    started: str | None = None
    log: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended without an answer that counts."""
        return self.status in (*BAD, DAMAGED)

    def as_dict(self) -> dict[str, Any]:
        """For a line of JSON."""
        return asdict(self)


def survey(results: Results) -> list[RunState]:
    """Every run of a results folder: the stored ones, and those that a grid has planned."""
    claims = Claims(results.claims_folder)
    planned: dict[str, dict[str, Any]] = {}
    for event in read_events(results.events_file):
        about = planned.setdefault(event["key"], {"title": event["title"], "method": "", "dataset": ""})
        if event["event"] == "planned":
            about |= {"method": str(event.get("method")), "dataset": str(event.get("dataset"))}
        elif event["event"] == "started":
            about["started"] = event["time"]
    states = {key: RunState(key=key, status=WAITING, **about) for key, about in planned.items()}
    for manifest in results.manifests():
        states[manifest["key"]] = _stored(results, manifest)
    for part, reason in results.damaged().items():
        key = part.rpartition("/")[2]
        about = planned.get(key, {"title": key, "method": "", "dataset": ""})
        states[key] = RunState(key=key, status=DAMAGED, reason=reason, **about)
    for key, about in planned.items():
        if claims.held(key):
            states[key] = RunState(key=key, status=RUNNING, **about)
    return list(states.values())


def _stored(results: Results, manifest: dict[str, Any]) -> RunState:
    split, log = manifest["split"]["rotation"], results.run_folder(manifest["key"]) / "log.txt"
    return RunState(
        key=manifest["key"],
        title=f"{manifest['label']} · {manifest['dataset']} · split {split} · seed {manifest['seed']}",
        method=manifest["label"],
        dataset=manifest["dataset"],
        status=manifest["status"],
        reason=manifest["reason"],
        wall_s=manifest.get("wall_s"),
        started=manifest.get("started"),
        log=str(log) if log.is_file() else None,
    )


def expected_seconds(states: list[RunState]) -> float | None:
    """Wall time until the last run ends; None when no run has finished or none is running.

    A run is assumed to take the mean time of its method so far, or of all methods. The number of runs at
    once is assumed to stay as it is.
    """
    known = defaultdict(list)
    for state in states:
        if state.wall_s is not None:
            known[state.method].append(state.wall_s)
    running = [state for state in states if state.status == RUNNING]
    if not known or not running:
        return None
    overall = fmean(seconds for times in known.values() for seconds in times)
    total = 0.0
    for state in states:
        mean = fmean(known[state.method]) if state.method in known else overall
        if state.status == WAITING:
            total += mean
        elif state.status == RUNNING:
            total += max(0.0, mean - age(state.started))
    return total / len(running)


def age(time: str | None) -> float:
    """Seconds since a point in time written in ISO 8601; 0 where there is none."""
    try:
        since = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(time or "")
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, since.total_seconds())
