"""Kills a grid at a random moment, again and again: is what it leaves whole, and does it complete?

In every round a grid is killed (SIGKILL) when a drawn number of its runs is stored, after a further drawn
part of the time that a run takes. Then no process of it may live on, every stored byte must verify, and the
same grid must complete to the predictions and scores of an undisturbed one.
Run: python benchmarks/faults.py [--rounds 200] [--seed 0]
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import anndata
import numpy as np
import pandas as pd
import psutil
import typer

from stbench.config.options import RunOptions
from stbench.runs.benchmark import run
from stbench.runs.process_tree import MARK
from stbench.runs.results import Results

WAIT_SECONDS = 60
N_RUNS = 6
RUN_SECONDS = 0.2  # about the time from one stored run to the next


def main(
    rounds: Annotated[int, typer.Option(help="How many grids to kill.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
) -> None:
    """Print how many rounds ended well; exit code 1 where one did not."""
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # the grids' scratch too
        grid(Path(folder, "whole"))  # also imports what the others take over
        expected = content(Path(folder, "whole"))
        moments = random.Random(seed)
        counts: Counter[int] = Counter()
        bad = 0
        for i in range(rounds):
            n_before, rest = moments.randrange(N_RUNS), moments.uniform(0, RUN_SECONDS)
            problem, n_stored = kill_and_complete(Path(folder, f"round{i}"), n_before, rest, expected)
            counts[n_stored] += 1
            bad += bool(problem)
            what = f"killed {rest:.2f} s after run {n_before}, with {n_stored} runs stored"
            print(f"round {i + 1}: {what}: {problem or 'complete and the same'}", flush=True)
        spread = ", ".join(f"{n} runs in {times} rounds" for n, times in sorted(counts.items()))
        print(f"{rounds - bad} of {rounds} rounds ended well; stored at the kill: {spread}.")
    raise typer.Exit(bool(bad))


def grid(out: Path) -> None:
    """Runs of a trivial method, two at once."""
    config = RunOptions(
        methods=("random",),
        datasets=("simulated",),
        out=out,
        limit="cells=60,spots=50",
        splits=N_RUNS,
        jobs=2,
    )
    run(config)


def kill_and_complete(out: Path, n_before: int, rest: float, expected: dict) -> tuple[str, int]:
    """What went wrong in one round (nothing: empty), and how many runs were stored at the kill."""
    pid = os.fork()  # spares the imports of a new interpreter
    if pid == 0:
        grid(out)
        os._exit(0)
    end = time.monotonic() + WAIT_SECONDS
    while len(stored(out)) < n_before and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(rest)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not gone():
        return "processes were left", 0
    results = Results.create(out)
    n_stored = len(results.manifests())
    if damaged := results.damaged(thorough=True):
        return f"damaged: {damaged}", n_stored
    grid(out)
    if damaged := results.damaged(thorough=True):
        return f"damaged after the second grid: {damaged}", n_stored
    return same(content(out), expected), n_stored


def stored(out: Path) -> list[Path]:
    """The folders of the stored runs."""
    return sorted((out / "runs").glob("[!.]*"))


def gone() -> bool:
    """Whether all processes of runs have ended, within a time."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if not any(is_run(process) for process in psutil.process_iter()):
            return True
        time.sleep(0.05)
    return False


def is_run(process: psutil.Process) -> bool:
    """Whether a process belongs to a run of this script."""
    try:
        mark = process.environ().get(MARK, "")
        return mark.startswith(str(tempfile.tempdir)) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def content(out: Path) -> dict[str, tuple[np.ndarray, pd.DataFrame]]:
    """Predictions and scores of every run."""
    return {
        folder.name: (
            np.asarray(anndata.read_h5ad(folder / "prediction.h5ad").X),
            pd.read_parquet(folder / "scores.parquet"),
        )
        for folder in stored(out)
    }


def same(found: dict, expected: dict) -> str:
    """How two grids differ; empty where they do not."""
    if found.keys() != expected.keys():
        return f"runs {sorted(found)} instead of {sorted(expected)}"
    for key, (values, scores) in expected.items():
        if not np.array_equal(found[key][0], values) or not found[key][1].equals(scores):
            return f"run {key} differs"
    return ""


if __name__ == "__main__":
    typer.run(main)
