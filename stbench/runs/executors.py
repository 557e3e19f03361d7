"""The executor that a call requests, and what one run may use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from stbench import machine
from stbench.config.options import Options
from stbench.runs.checkpoints import Checkpoints
from stbench.runs.grid import Executor
from stbench.runs.local_executor import LocalExecutor
from stbench.runs.process import Limits

MEMORY_SHARE = 0.9  # of the machine: the rest is for the system and the grid itself


def limits(options: Options) -> Limits:
    """What one run may use."""
    return Limits(options.timeout, options.memory_limit or _memory_bytes(), options.disk_limit)


@contextmanager
def open_executor(options: Options, results: Path) -> Iterator[Executor]:
    """The executor of ``--executor``, which kills its runs at the end; ``results`` keeps checkpoints."""
    checkpoints = Checkpoints(results / "checkpoints")
    if options.executor == "dask":
        from stbench.runs.dask_executor import DaskExecutor, connect

        with connect(options.scheduler, options.cluster) as client:
            executor = DaskExecutor(
                client,
                options.threads,
                limits(options),
                checkpoints,
                options.plugin,
                shared=options.shared is not None,
                fork=forks(options),
            )
            with closing(executor) as dask:
                yield dask
        return
    jobs = options.jobs or machine.cores()
    threads = options.threads or max(1, machine.cores() // jobs)
    memory = options.memory_budget or _memory_bytes()
    own = jobs, threads, limits(options), memory, checkpoints, options.plugin
    with closing(LocalExecutor(*own, fork=forks(options))) as local:
        yield local


def forks(options: Options) -> bool:
    """Whether the processes of runs are forked."""
    return options.isolation == "fork" or (options.isolation == "auto" and sys.platform == "linux")


def _memory_bytes() -> int:
    return int(MEMORY_SHARE * machine.memory_bytes("cpu"))
