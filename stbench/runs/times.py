"""The time that runs will take, learned from finished runs of the same method and size.

Where no such run has finished there is no estimate: nothing is carried over from another method or size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from stbench.runs.checkpoints import DONE


def likeness(label: str, preset: str, device: str, shape: Mapping[str, int]) -> str:
    """What runs share that should take the same time: the method, its setting, the device and the size.

    ``shape`` are the fields of `stbench.method.Shape`; hidden and visible genes count together.
    """
    genes = shape["visible"] + shape["targets"]
    return f"{label}, {preset}, {device}, {shape['cells']} cells, {shape['spots']} spots, {genes} genes"


def duration(seconds: float) -> str:
    """A time for people: ``8 s``, ``3 min`` or ``2 h 10 min``."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class Expected:
    """The wall time of some runs: ``seconds`` for those with an estimate, and the number of those without."""

    seconds: float
    n_known: int
    n_unknown: int

    def __str__(self) -> str:
        unknown = f"unknown for {self.n_unknown} run{'s' * (self.n_unknown > 1)}"
        if not self.n_known:
            return unknown
        about = "about " * (self.seconds >= 1)
        return f"{about}{duration(self.seconds)}" + (f", {unknown}" if self.n_unknown else "")


class Times:
    """The median wall time of the finished runs of each `likeness`: the first one also waits for imports."""

    def __init__(self, manifests: Iterable[Mapping[str, Any]] = ()):
        self._seconds: dict[str, list[float]] = {}
        for manifest in manifests:
            self.learn(manifest)

    def learn(self, manifest: Mapping[str, Any]) -> None:
        """Take the time of a finished run; one that would end otherwise the next time teaches nothing."""
        seconds, shape = manifest.get("wall_s"), manifest.get("shape")
        if manifest.get("status") in DONE and seconds is not None and shape:
            like = likeness(manifest["label"], manifest["preset"], manifest["device"], shape)
            self.add(like, seconds)

    def add(self, like: str, seconds: float) -> None:
        """Take the time of a finished run of this `likeness`."""
        self._seconds.setdefault(like, []).append(seconds)

    def of(self, like: str) -> float | None:
        """The expected seconds of a run of this `likeness`, None where no such run has finished."""
        known = self._seconds.get(like)
        return median(known) if known else None

    def expected(
        self, waiting: Iterable[str], running: Iterable[tuple[str, float]] = (), *, at_once: int
    ) -> Expected:
        """The wall time of runs that wait, and of runs that run, each with its seconds so far.

        ``at_once`` of them are assumed to run at the same time until the end.
        """
        left = [(self.of(like), 0.0) for like in waiting] + [
            (self.of(like), so_far) for like, so_far in running
        ]
        # a run that takes longer than the others is an unknown one from then on
        known = [seconds - so_far for seconds, so_far in left if seconds is not None and seconds > so_far]
        seconds = max(sum(known) / max(1, at_once), max(known, default=0.0))
        return Expected(seconds, len(known), len(left) - len(known))
