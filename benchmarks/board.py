"""What a board costs: page and tables alone, with the main figures and with all; the first time and again.

Run: python benchmarks/board.py [--runs 90]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

METHODS = ("mean", "ridge", "knn", "kernel", "ridge_genes", "spage")
SPLITS = 5
COMMAND = "import sys; from stbench.cli import main; sys.argv[0] = 'stbench'; main()"


def main(runs: Annotated[int, typer.Option(help="Runs on the board, about.")] = 90) -> None:
    """Print one markdown table."""
    with tempfile.TemporaryDirectory() as work:
        results = Path(work) / "results"
        seeds = max(1, runs // (len(METHODS) * SPLITS))
        grid = ["run", "--methods", ",".join(METHODS), "--datasets", "simulated", "--splits", str(SPLITS)]
        stbench(
            *grid, "--seeds", str(seeds), "--limit", "cells=200,spots=150,genes=40", "--out", str(results)
        )
        stbench("leaderboard", str(results), "--figures", "none", "--out", f"{work}/warm")  # controls, caches
        print("| figures | first: s | CPU s | again: s | CPU s | CPU ratio |\n|---|---|---|---|---|---|")
        for figures in ("none", "main", "all"):
            board = ["leaderboard", str(results), "--figures", figures, "--out", f"{work}/{figures}"]
            (first, first_cpu), (again, again_cpu) = stbench(*board), stbench(*board)
            ratio = again_cpu / first_cpu
            cells = [f"{value:.1f}" for value in (first, first_cpu, again, again_cpu)]
            print(f"| {figures} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)


def stbench(*arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of a command, with its processes."""
    before, start = children_cpu(), time.perf_counter()
    subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start, children_cpu() - before


def children_cpu() -> float:
    """CPU seconds of all processes that this one has waited for."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


if __name__ == "__main__":
    typer.run(main)
