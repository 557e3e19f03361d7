"""Which engine a call asked for, and what it may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from stbench import machine as devices
from stbench.config.options import RunConfig, bytes_of, seconds
from stbench.errors import StbenchError
from stbench.runs.checkpoints import Checkpoints
from stbench.runs.grid import Executor
from stbench.runs.local_executor import LocalExecutor
from stbench.runs.process import Limits

MEMORY_SHARE = 0.9  # of the machine: the rest is for the system and the grid itself
DISK_BYTES = 20 * 10**9


def limits(config: RunConfig) -> Limits:
    """What one run may use."""
    return Limits(
        timeout_s=seconds(config.timeout),
        memory_bytes=bytes_of(config.memory_limit, "--memory-limit") or _memory_bytes(),
        disk_bytes=bytes_of(config.disk_limit, "--disk-limit") or DISK_BYTES,
    )


@contextmanager
def open_executor(config: RunConfig) -> Iterator[Executor]:
    """The engine of ``--executor``; what it still runs is killed at the end."""
    for option in ("jobs", "threads"):
        if (number := getattr(config, option)) is not None and number < 1:
            raise StbenchError(f"--{option} takes a number from 1, not {number}.")
    if config.executor == "local":
        executor: Executor = _local(config)
        with closing(executor):
            yield executor
        return
    from stbench.runs.dask_executor import DaskExecutor, connect

    with connect(config.scheduler, config.cluster) as client:
        shared = config.shared is not None
        executor = DaskExecutor(client, config.threads, limits(config), config.plugin, shared=shared)
        with closing(executor):
            yield executor


def _local(config: RunConfig) -> LocalExecutor:
    for option in ("scheduler", "cluster", "shared"):
        if getattr(config, option) is not None:
            raise StbenchError(f"--{option} goes with --executor dask.")
    jobs = config.jobs or max(1, devices.cores() // 2)
    return LocalExecutor(
        jobs,
        threads=config.threads or max(1, devices.cores() // jobs),
        limits=limits(config),
        memory_bytes=bytes_of(config.memory_budget, "--memory-budget") or _memory_bytes(),
        checkpoints=Checkpoints(config.out / "checkpoints"),
        plugins=tuple(str(path.resolve()) for path in config.plugin),
    )


def _memory_bytes() -> int:
    return int(MEMORY_SHARE * devices.memory_bytes("cpu"))
