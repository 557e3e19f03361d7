"""What stbench itself costs: seconds per run beyond the method's own, and the start of ``stbench list``.

Run: python benchmarks/overhead.py [--splits 5] [--repeats 10]
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
    splits: Annotated[int, typer.Option(help="Runs of a trivial method to start.")] = 5,
    repeats: Annotated[int, typer.Option(help="Starts of each command.")] = 10,
) -> None:
    """Print one markdown table."""
    rows = [("engine, beyond the method", f"{engine_seconds(splits):.2f} s per run", "")]
    bare = start_seconds(["-c", "import typer, rich"], repeats)
    listing = start_seconds(["-c", "from stbench.cli import main; main()", "list", "methods"], repeats)
    rows += [
        ("python -c 'import typer, rich'", f"{bare:.3f} s", "1"),
        ("stbench list methods", f"{listing:.3f} s", f"{listing / bare:.2f}"),
    ]
    print("| what | median time | ratio |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def engine_seconds(splits: int) -> float:
    """Seconds per run of a grid of the method ``mean``, less what the method took; preparation included."""
    from stbench.config.options import RunOptions
    from stbench.runs.benchmark import run

    with tempfile.TemporaryDirectory() as folder:
        config = RunOptions(
            methods=("mean",), datasets=("simulated",), out=Path(folder), splits=splits, jobs=1
        )
        start = time.perf_counter()
        summary = run(config)
        total = time.perf_counter() - start
    own = sum(record["predict_s"] for record in summary.records.values())
    return (total - own) / splits


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
