"""What the engine costs per run, and what its process holds, in a small and in a large grid; Dask workers.

The grids are of a trivial method on a small tissue. Their ratios should be near 1: cost and memory are flat.
The second part runs sleeping methods on one Dask worker and on two; the ratio should be under 0.6.
Run: python benchmarks/engine.py [--small 100] [--large 1000] [--sleeps 12]
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

LIMIT = "cells=60,spots=50"
SLEEPER = """
import time
from dataclasses import dataclass
import numpy as np
from stbench.methods import Method, register

@register("sleeps", family="baseline", paper="benchmark", version="1")
@dataclass(frozen=True)
class Sleeps(Method):
    def predict(self, task, ctx):
        time.sleep(15)
        return np.ones((task.spatial.n_obs, len(task.targets)))
"""


def main(
    small: Annotated[int, typer.Option(help="Runs of the small grid.")] = 100,
    large: Annotated[int, typer.Option(help="Runs of the large grid.")] = 1000,
    sleeps: Annotated[int, typer.Option(help="Sleeping runs on Dask workers; 0: none.")] = 12,
    jobs: Annotated[int, typer.Option(help="Runs at once.")] = 2,
) -> None:
    """Print two markdown tables."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        few, many = (fresh.apply(grid_cost, (runs, jobs)) for runs in (small, large))
    print(f"| engine | {small} runs | {large} runs | ratio |\n|---|---|---|---|")
    names = "wall seconds per run", "CPU seconds of the engine per run", "peak MB of the engine"
    for name, a, b in zip(names, few, many, strict=True):
        print(f"| {name} | {a:.3f} | {b:.3f} | {b / a:.2f} |", flush=True)
    if sleeps:
        with tempfile.TemporaryDirectory() as folder:
            plugin = Path(folder, "sleeper.py")
            plugin.write_text(SLEEPER)
            one, two = (dask_seconds(workers, sleeps, plugin) for workers in (1, 2))
        print(f"\n| {sleeps} sleeping runs | 1 Dask worker | 2 Dask workers | ratio |\n|---|---|---|---|")
        print(f"| seconds | {one:.1f} | {two:.1f} | {two / one:.2f} |")


def grid_cost(runs: int, jobs: int) -> tuple[float, float, float]:
    """Wall and CPU seconds per run of a grid, and the most MB that its process held; in a fresh process."""
    from stbench.config.options import RunOptions
    from stbench.runs.benchmark import run
    from stbench.runs.child import peak_rss_bytes

    def grid(out: Path, seeds: int) -> None:
        config = RunOptions(
            methods=("random",), datasets=("simulated",), out=out, limit=LIMIT, seeds=seeds, jobs=jobs
        )
        summary = run(config)
        assert [record["status"] for record in summary.records.values()] == ["ok"] * seeds

    with tempfile.TemporaryDirectory() as folder:
        grid(Path(folder, "warm"), 1)
        wall, cpu = time.monotonic(), time.process_time()
        grid(Path(folder, "out"), runs)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    return wall / runs, cpu / runs, (peak_rss_bytes() or 0) / 1e6


def dask_seconds(workers: int, runs: int, plugin: Path) -> float:
    """Seconds that a grid of sleeping runs takes on so many workers of one thread each."""
    from distributed import LocalCluster

    from stbench.config.options import RunOptions
    from stbench.runs.benchmark import run

    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        config = RunOptions(
            methods=("sleeps",),
            datasets=("simulated",),
            out=Path(folder),
            limit=LIMIT,
            seeds=runs,
            threads=1,
            executor="dask",
            scheduler=cluster.scheduler_address,
            plugin=(plugin,),
        )
        start = time.monotonic()
        summary = run(config)
        seconds = time.monotonic() - start
        assert [record["status"] for record in summary.records.values()] == ["ok"] * runs
    return seconds


if __name__ == "__main__":
    typer.run(main)
