"""The local engine: child processes in CPU and GPU slots, within a memory budget."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stbench import machine as devices
from stbench.runs.checkpoints import Checkpoints
from stbench.runs.process import Child, Limits, new_run_folder
from stbench.runs.spec import RunSpec

BASE_BYTES = 400 << 20  # an interpreter with the packages that every method imports


@dataclass
class _Running:
    spec: RunSpec
    child: Child
    gpu: int | None


class LocalExecutor:
    """Starts runs on this machine.

    ``jobs`` runs on the CPU at once, and one on each GPU. Runs whose estimated memory does not fit into
    ``memory_bytes`` together wait for each other; one alone may always start. A run goes on from what an
    unfinished one left in ``checkpoints``.
    """

    def __init__(
        self,
        jobs: int,
        threads: int,
        limits: Limits,
        memory_bytes: int,
        checkpoints: Checkpoints,
        plugins: tuple[str, ...] = (),
    ):
        self.jobs = jobs
        self.threads = threads
        self.limits = limits
        self.memory_bytes = memory_bytes
        self.checkpoints = checkpoints
        self.plugins = plugins
        self._running: list[_Running] = []

    def device(self, asked: str) -> str:
        """``cpu``, ``cuda`` or ``cuda:i`` for what was asked."""
        return devices.resolve(asked)

    def problem(self, spec: RunSpec) -> str | None:
        """Why ``spec`` can never run here, None where it can."""
        on_gpu = spec.device.startswith("cuda")
        available = devices.memory_bytes(spec.device) if on_gpu else self.memory_bytes
        if spec.memory_bytes <= available:
            return None
        where = "GPU has" if on_gpu else "grid may use"
        return f"needs about {spec.memory_bytes / 1e9:.1f} GB, the {where} {available / 1e9:.1f} GB"

    def has_room(self, spec: RunSpec) -> bool:
        """Whether ``spec`` could start now."""
        if spec.device.startswith("cuda"):
            slot = self._free_gpu(spec.device) is not None
        else:
            slot = sum(run.gpu is None for run in self._running) < self.jobs
        reserved = sum(_host_bytes(run.spec) for run in self._running)
        return slot and (not self._running or reserved + _host_bytes(spec) <= self.memory_bytes)

    def start(self, spec: RunSpec, task: Path) -> None:
        """Start ``spec`` on a copy of the folder ``task``."""
        gpu = self._free_gpu(spec.device) if spec.device.startswith("cuda") else None
        # the child sees one GPU, which is its number 0 whatever it is called outside
        device = "cpu" if gpu is None else "cuda:0"
        description = spec.description(device) | {"threads": self.threads, "plugins": list(self.plugins)}
        folder = new_run_folder(task, description, prefix=f"{task.parent.name}-run-")
        self.checkpoints.hand_in(spec.key, folder)
        visible = "" if gpu is None else devices.gpus()[gpu]["uuid"]
        self._running.append(_Running(spec, Child(folder, self.limits, self.threads, visible), gpu))

    def progress(self) -> Iterator[tuple[RunSpec, float, dict[str, Any]]]:
        """Every running run, its seconds so far, and what its method says."""
        for run in self._running:
            self.checkpoints.keep(run.spec.key, run.child.folder)  # this process may be killed
            yield run.spec, run.child.seconds, run.child.state

    def ended(self) -> Iterator[tuple[RunSpec, dict[str, Any], Path]]:
        """Every run that has ended since the last call: its outcome, and its folder while it is looked at."""
        for run in list(self._running):
            outcome = run.child.poll()
            if outcome is not None:
                self._running.remove(run)
                self.checkpoints.settle(run.spec.key, run.child.folder, outcome["status"])
                try:
                    yield run.spec, outcome | {"threads": self.threads}, run.child.folder
                finally:
                    shutil.rmtree(run.child.folder, ignore_errors=True)

    def close(self) -> None:
        """Kill what runs."""
        for run in self._running:
            run.child.kill()
            self.checkpoints.keep(run.spec.key, run.child.folder)
            shutil.rmtree(run.child.folder, ignore_errors=True)
        self._running.clear()

    def _free_gpu(self, device: str) -> int | None:
        """Number of a GPU without a run: the one that ``cuda:i`` names, or any for ``cuda``."""
        taken = {run.gpu for run in self._running}
        wanted = range(len(devices.gpus())) if device == "cuda" else [int(device.split(":")[1])]
        return next((gpu for gpu in wanted if gpu not in taken), None)


def _host_bytes(spec: RunSpec) -> int:
    return BASE_BYTES + (0 if spec.device.startswith("cuda") else spec.memory_bytes)
