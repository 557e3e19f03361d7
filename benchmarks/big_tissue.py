"""A section of a platform of today, from the raw pair to the board: seconds and peak memory of every step.

The pair is simulated: counts of 400 genes at the spots, and a reference of 5,000 genes with a tenth of the
spots as cells. Each step is a process of its own, and so is each method, beside the grid that writes its task
and scores it. The last table is the growth of each step with the spots: factors
between the sizes, of seconds and of peak memory.

Run: python benchmarks/big_tissue.py [--spots 3000,30000,300000] [--methods kernel,...] [--folder FOLDER]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from anndata import AnnData
from scipy import sparse

METHODS = "ridge_genes,ridge,kernel,knn,spage,causalged-kernel,tangram"
N_TYPES, N_GENES, N_MEASURED, N_IMPUTED = 12, 5000, 400, 1000
UMI_CELL, UMI_SPOT = 4000, 200
BLOCK = 10_000
PREPARE = """
import sys
from pathlib import Path
from stbench.data.sources import dataset_in
from stbench.data.limit import Limit
from stbench.data.cache import load
from stbench.data.split import make_splits
pair = load(dataset_in(Path(sys.argv[1])), Limit())
make_splits(pair.genes, 10, 0)
"""
COMMAND = "import sys; from stbench.cli import main; sys.argv[0] = 'stbench'; main()"
MEASURED = """
import atexit, os
from pathlib import Path
def note():
    from stbench.runs.child import own_peak_bytes
    Path(os.environ["PEAK_FILE"]).write_text(str(own_peak_bytes()))
atexit.register(note)
"""


def main(
    spots: Annotated[str, typer.Option(help="Sizes, smallest first.")] = "3000,30000,300000",
    methods: Annotated[str, typer.Option(help="Methods to run.")] = METHODS,
    memory: Annotated[str, typer.Option(help="What one run may use.")] = "10GB",
    folder: Annotated[Path | None, typer.Option(help="Where to work.  [default: a temporary folder]")] = None,
) -> None:
    """Print one markdown table of steps, and one of growth."""
    sizes = [int(size) for size in spots.split(",")]
    costs: dict[str, list[tuple[float, float]]] = {}
    for n_spots in sizes:
        print(f"\n{n_spots} spots x {N_MEASURED} genes, {n_spots // 10} cells x {N_GENES} genes\n")
        print("| step | s | peak GB |\n|---|---|---|", flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            for step, seconds, peak in steps(Path(work), n_spots, methods, memory):
                costs.setdefault(step, []).append((seconds, peak))
                print(f"| {step} | {seconds:.1f} | {peak / 1e9:.2f} |", flush=True)
    print(f"\n| growth over {spots} spots | seconds | memory |\n|---|---|---|")
    for step, rows in costs.items():
        factors = [[b / a for a, b in pairwise(row)] for row in zip(*rows, strict=True)]
        seconds, memory_ = (", ".join(f"{factor:.1f}" for factor in row) for row in factors)
        print(f"| {step} | {seconds} | {memory_} |")


def steps(
    work: Path, n_spots: int, methods: str, memory: str, settings: Sequence[str] = ()
) -> Iterator[tuple[str, float, float]]:
    """Name, seconds and peak bytes of each step; ``settings`` are values of ``--set``."""
    pair, results = work / "tissue", work / "results"
    unmeasured = write_pair(pair, n_spots // 10, n_spots)
    yield "prepare and split", *cost(work, [PREPARE, str(pair)])
    grid = [COMMAND, "run", "--methods", methods, "--datasets", "tissue", "--memory-limit", memory]
    grid += ["--data", str(work), "--jobs", "1", "--out", str(results)]
    seconds, peak = cost(work, [*grid, *(part for value in settings for part in ("--set", value))])
    runs = sorted(manifests(results), key=lambda run: methods.split(",").index(run["method"]))
    for run in runs:
        scaled = f", scaled: {run['scaled']}" if run["scaled"] else ""
        yield f"{run['method']} ({run['status']}{scaled})", run["predict_s"], run["peak_rss_bytes"]
    yield "grid, with ceiling and scoring", seconds - sum(run["predict_s"] for run in runs), peak
    board = [COMMAND, "leaderboard", str(results), "--out", str(work / "board")]
    yield "board", *cost(work, board)
    genes = ",".join(unmeasured[:N_IMPUTED])
    imputed = [COMMAND, "predict", str(pair), "--method", "ridge_genes", "--splits", "2", "--genes", genes]
    yield f"predict {N_IMPUTED} genes", *cost(work, [*imputed, "--out", str(work / "imputed.h5ad")])


def manifests(results: Path) -> list[dict]:
    """The manifests of a results folder."""
    return [json.loads(file.read_text()) for file in results.glob("runs/*/manifest.json")]


def cost(work: Path, arguments: list[str]) -> tuple[float, float]:
    """Wall seconds of Python code in a process of its own, and the peak memory of that process alone."""
    peak = work / "peak.txt"
    own = {"STBENCH_CACHE": str(work / "cache"), "PEAK_FILE": str(peak), "TMPDIR": str(work)}
    code, *rest = arguments
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED + code, *rest], env=os.environ | own, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(rest)[:200]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, float(peak.read_text())


def write_pair(folder: Path, n_cells: int, n_spots: int) -> list[str]:
    """A pair of two h5ad files; returns the genes that only the reference measured, if a cell has one."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    profiles = rng.gamma(1, 1, N_GENES) * np.exp(rng.normal(0, 1, (N_TYPES, N_GENES)))
    places = rng.uniform(0, np.sqrt(n_spots), (n_spots, 2))
    centres = rng.uniform(0, np.sqrt(n_spots), (3 * N_TYPES, 2))
    patches = np.concatenate([nearest(part, centres) for part in blocks(places)]) % N_TYPES
    types = rng.integers(0, N_TYPES, n_cells)
    names = [f"Gene{i:05d}" for i in range(N_GENES)]
    sides = (("sc", profiles, types, UMI_CELL), ("st", profiles[:, :N_MEASURED], patches, UMI_SPOT))
    for name, expected, kinds, umi in sides:
        table = AnnData(draw(rng, expected / expected.sum(axis=1, keepdims=True) * umi, kinds))
        table.var_names = names[: expected.shape[1]]
        table.obs_names = [f"{name}{i}" for i in range(len(kinds))]
        if name == "sc":
            table.obs["cell_type"] = [f"type{kind}" for kind in kinds]
            seen = table.X.getnnz(axis=0) > 0
        else:
            table.obsm["spatial"] = places
        table.write_h5ad(folder / f"{name}.h5ad")
    return [gene for gene, found in zip(names[N_MEASURED:], seen[N_MEASURED:], strict=True) if found]


def nearest(places: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Number of the nearest centre of each place."""
    return np.argmin(((places[:, None] - centres) ** 2).sum(axis=2), axis=1)


def blocks(rows: np.ndarray) -> list[np.ndarray]:
    """``rows`` in parts of at most `BLOCK`."""
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]


def draw(rng: np.random.Generator, expected: np.ndarray, kinds: np.ndarray) -> sparse.csr_matrix:
    """Poisson counts (n_rows, n_genes) around the expected counts of the kind of each row."""
    parts = [sparse.csr_matrix(rng.poisson(expected[part]).astype(np.float32)) for part in blocks(kinds)]
    return sparse.vstack(parts, format="csr")


if __name__ == "__main__":
    typer.run(main)
