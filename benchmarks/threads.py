"""What the threads of a run cost on a busy machine, with and without passive waiting, beside one thread.

Threads that wait for each other spin by default. Where other processes want the cores too, this is CPU time
that nobody has. Processes that only count keep the machine busy.

Run: python benchmarks/threads.py [--busy 4] [--steps 60]
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import typer


def main(
    busy: Annotated[int, typer.Option(help="Processes that keep the machine busy.")] = 4,
    steps: Annotated[int, typer.Option(help="Updates of causalged after its pretraining.")] = 60,
) -> None:
    """Print one markdown table."""
    from stbench.runs.process import WAITING

    ways = {"2 threads, spinning": (2, {}), "2 threads, passive": (2, WAITING), "1 thread": (1, WAITING)}
    with busy_machine(busy):
        costs = {name: cost(threads, waiting, steps) for name, (threads, waiting) in ways.items()}
    cheapest = min(cpu for cpu, _ in costs.values())
    print(f"| causalged beside {busy} busy processes | CPU s | wall s | CPU, ratio |\n|---|---|---|---|")
    for name, (cpu, wall) in costs.items():
        print(f"| {name} | {cpu:.1f} | {wall:.1f} | {cpu / cheapest:.2f} |")


def cost(threads: int, waiting: dict[str, str], steps: int) -> tuple[float, float]:
    """CPU and wall seconds of one run on the simulated tissue."""
    from stbench.config.options import RunOptions
    from stbench.runs import process
    from stbench.runs.benchmark import run

    with tempfile.TemporaryDirectory() as folder, patch.object(process, "WAITING", waiting):
        options = RunOptions(
            methods=("causalged",),
            datasets=("simulated",),
            out=Path(folder),
            set=(f"causalged.steps={steps}",),
            jobs=1,
            threads=threads,
        )
        [record] = run(options).records.values()
    return record["cpu_s"], record["wall_s"]


@contextmanager
def busy_machine(n_processes: int) -> Iterator[None]:
    """Keep so many processes counting."""
    processes = [multiprocessing.Process(target=count, daemon=True) for _ in range(n_processes)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def count() -> None:
    """Count forever."""
    number = 0
    while True:
        number += 1


if __name__ == "__main__":
    typer.run(main)
