"""The local executor: processes in CPU and GPU slots, within a memory budget."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stbench import machine
from stbench.runs.checkpoints import Checkpoints
from stbench.runs.process import Limits, RunProcess, Templates, start_run
from stbench.runs.spec import RunSpec

BASE_BYTES = 400 << 20  # an interpreter with the packages that every method imports


@dataclass
class _Running:
    spec: RunSpec
    process: RunProcess
    gpu: int | None


class LocalExecutor:
    """Starts runs on this machine.

    ``jobs`` runs on the CPU at the same time, and one on each GPU. Runs whose estimated memory does not fit
    into ``memory_bytes`` together wait for each other; one alone may always start. A run goes on from what an
    unfinished one left in ``checkpoints``. With ``fork``, a warm template forks their processes.
    """

    def __init__(
        self,
        jobs: int,
        threads: int,
        limits: Limits,
        memory_bytes: int,
        checkpoints: Checkpoints,
        plugins: Sequence[Path] = (),
        *,
        fork: bool = True,
    ):
        self.jobs = jobs
        self.threads = threads
        self.limits = limits
        self.memory_bytes = memory_bytes
        self.checkpoints = checkpoints
        self.plugins = [str(path.resolve()) for path in plugins]
        self._running: list[_Running] = []
        self._templates = Templates(threads, fork=fork)

    def warm(self, methods: Sequence[str]) -> None:
        """Start what runs of these methods are forked from; it warms up beside other work."""
        for method in methods:
            self._templates.of(method)

    def device(self, requested: str) -> str:
        """``cpu``, ``cuda`` or ``cuda:i`` for what was requested."""
        return machine.resolve(requested)

    def memory(self, device: str) -> int:
        """The bytes that one run should need at most on ``device``; it is scaled to that if it can be."""
        return min(self._available(device), self.limits.memory_bytes - BASE_BYTES)

    def at_once(self, device: str) -> int:
        """The number of runs on ``device`` at the same time."""
        if not device.startswith("cuda"):
            return self.jobs
        return len(machine.gpus()) if device == "cuda" else 1

    def problem(self, spec: RunSpec) -> str | None:
        """Why ``spec`` can never run here, None where it can."""
        available = self._available(spec.device)
        if spec.memory_bytes <= available:
            return None
        where = "GPU has" if spec.device.startswith("cuda") else "grid may use"
        return f"needs about {spec.memory_bytes / 1e9:.1f} GB, the {where} {available / 1e9:.1f} GB"

    def has_room(self, spec: RunSpec) -> bool:
        """Whether ``spec`` could start now."""
        if spec.device.startswith("cuda"):
            slot = self._free_gpu(spec.device) is not None
        else:
            slot = sum(run.gpu is None for run in self._running) < self.jobs
        reserved = sum(host_bytes(run.spec) for run in self._running)
        return slot and (not self._running or reserved + host_bytes(spec) <= self.memory_bytes)

    def start(self, spec: RunSpec, tables: Path) -> None:
        """Start ``spec`` on a copy of the folder ``tables``."""
        gpu = self._free_gpu(spec.device) if spec.device.startswith("cuda") else None
        process = start_run(
            tables,
            # the process sees one GPU, which is its number 0 whatever it is called outside
            spec.task_file("cpu" if gpu is None else "cuda:0", self.threads, self.plugins),
            self.limits,
            prefix=f"{tables.parent.name}-run-",
            gpu="" if gpu is None else machine.gpus()[gpu]["uuid"],
            checkpoint=self.checkpoints.file(spec.key),
            template=self._templates.of(spec.method),
        )
        self._running.append(_Running(spec, process, gpu))

    def progress(self) -> Iterator[tuple[RunSpec, float, dict[str, Any]]]:
        """Every running run, its seconds so far, and the progress that its method reported."""
        for run in self._running:
            self.checkpoints.keep(run.spec.key, run.process.folder)  # this process may be killed
            yield run.spec, run.process.seconds, run.process.state

    def ended(self) -> Iterator[tuple[RunSpec, dict[str, Any], Path]]:
        """Every run that has ended since the last call: its outcome, and its folder while it is looked at."""
        for run in list(self._running):
            outcome = run.process.poll()
            if outcome is not None:
                self._running.remove(run)
                self.checkpoints.settle(run.spec.key, run.process.folder, outcome["status"])
                try:
                    yield run.spec, outcome | {"threads": self.threads}, run.process.folder
                finally:
                    shutil.rmtree(run.process.folder, ignore_errors=True)

    def close(self) -> None:
        """Kill what runs."""
        for run in self._running:
            run.process.kill()
            self.checkpoints.keep(run.spec.key, run.process.folder)
            shutil.rmtree(run.process.folder, ignore_errors=True)
        self._running.clear()
        self._templates.close()

    def _available(self, device: str) -> int:
        return machine.memory_bytes(device) if device.startswith("cuda") else self.memory_bytes

    def _free_gpu(self, device: str) -> int | None:
        """Number of a GPU without a run: the one that ``cuda:i`` names, or any for ``cuda``."""
        taken = {run.gpu for run in self._running}
        wanted = range(len(machine.gpus())) if device == "cuda" else [int(device.split(":")[1])]
        return next((gpu for gpu in wanted if gpu not in taken), None)


def host_bytes(spec: RunSpec) -> int:
    """The memory of this machine that a run should need, its interpreter included."""
    return BASE_BYTES + (0 if spec.device.startswith("cuda") else spec.memory_bytes)
