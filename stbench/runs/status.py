"""The state of a grid: which runs of its results folder are done, running, failed or waiting."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from stbench.runs.claims import Claims
from stbench.runs.events import read_events
from stbench.runs.manifest import title
from stbench.runs.results import Results
from stbench.runs.times import Expected, Times

WAITING, RUNNING, DAMAGED = "waiting", "running", "damaged"


@dataclass(frozen=True)
class RunState:
    """The present state of a run; ``status`` is that of its manifest, or waiting, running, damaged."""

    key: str
    title: str
    method: str
    dataset: str
    status: str
    reason: str = ""
    wall_s: float | None = None
    started: str | None = None
    log: str | None = None
    likeness: str = ""


def survey(results: Results) -> list[RunState]:
    """The states of all runs of a results folder, stored or planned."""
    claims = Claims(results.claims_folder)
    planned: dict[str, dict[str, Any]] = {}
    for event in read_events(results.events_file):
        about = planned.setdefault(event["key"], {"title": event["title"], "method": "", "dataset": ""})
        if event["event"] == "planned":
            about |= {name: str(event.get(name, "")) for name in ("method", "dataset", "likeness")}
        elif event["event"] == "started":
            about["started"] = event["time"]
    states = {key: RunState(key=key, status=WAITING, **about) for key, about in planned.items()}
    for manifest in results.manifests():
        key = manifest["key"]
        log = results.run_folder(key) / "log.txt"
        states[key] = RunState(
            key=key,
            title=title(manifest),
            method=manifest["label"],
            dataset=manifest["dataset"],
            status=manifest["status"],
            reason=manifest["reason"],
            wall_s=manifest.get("wall_s"),
            started=manifest.get("started"),
            log=str(log) if log.is_file() else None,
        )
    for part, reason in results.damaged().items():
        key = part.rpartition("/")[2]
        about = planned.get(key, {"title": key, "method": "", "dataset": ""})
        states[key] = RunState(key=key, status=DAMAGED, reason=reason, **about)
    for key, about in planned.items():
        if claims.held(key):
            states[key] = RunState(key=key, status=RUNNING, **about)
    return list(states.values())


def is_open(results: Results) -> bool:
    """Whether a run is running or waiting."""
    return any(state.status in (RUNNING, WAITING) for state in survey(results))


def time_left(states: list[RunState], times: Times) -> Expected:
    """The wall time until the last run ends, if as many run at the same time as now."""
    waiting = [state.likeness for state in states if state.status == WAITING]
    running = [(state.likeness, age(state.started)) for state in states if state.status == RUNNING]
    return times.expected(waiting, running, at_once=len(running))


def age(time: str | None) -> float:
    """Seconds since a time in ISO 8601; 0 for a time that is missing or not readable."""
    try:
        since = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(time or "")
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, since.total_seconds())
