"""What stbench itself costs: seconds per run beyond the method's own, and the start of ``stbench list``.

Runs are forked from a warm template, or each starts an interpreter; the two grids alternate.

Run: python benchmarks/overhead.py [--runs 20] [--repeats 10] [--rounds 3]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer


def main(
    runs: Annotated[int, typer.Option(help="Runs of a trivial method in a grid.")] = 20,
    repeats: Annotated[int, typer.Option(help="Starts of each command.")] = 10,
    rounds: Annotated[int, typer.Option(help="Grids of each kind.")] = 3,
) -> None:
    """Print one markdown table."""
    grids = [[engine_seconds(way, runs) for way in ("fork", "spawn")] for _ in range(rounds)]
    forked, spawned = (statistics.median(times) for times in zip(*grids, strict=True))
    rows = [
        ("engine, beyond the method, forked", f"{forked:.3f} s per run", "1"),
        ("engine, beyond the method, spawned", f"{spawned:.3f} s per run", f"{spawned / forked:.2f}"),
    ]
    bare = start_seconds(["-c", "import typer, rich"], repeats)
    listing = start_seconds(["-c", "from stbench.cli import main; main()", "list", "methods"], repeats)
    rows += [
        ("python -c 'import typer, rich'", f"{bare:.3f} s", "1"),
        ("stbench list methods", f"{listing:.3f} s", f"{listing / bare:.2f}"),
    ]
    print("| what | median time | ratio |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def engine_seconds(isolation: str, runs: int) -> float:
    """Seconds per run of a grid of ``mean``, less what the method took; preparation and template included."""
    from stbench.config.options import RunOptions
    from stbench.runs.benchmark import run

    with tempfile.TemporaryDirectory() as folder:
        config = RunOptions(
            methods=("mean",),
            datasets=("simulated",),
            out=Path(folder),
            seeds=runs,
            jobs=1,
            isolation=isolation,
        )
        start = time.perf_counter()
        summary = run(config)
        total = time.perf_counter() - start
    own = sum(record["predict_s"] for record in summary.records.values())
    return (total - own) / runs


def start_seconds(arguments: list[str], repeats: int) -> float:
    """Median wall time of a Python process."""
    times = []
    for _ in range(repeats + 1):  # the first one warms the disk cache
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    typer.run(main)
