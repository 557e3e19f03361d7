"""A pair of the size of MC (26,252 cells and 41,674 spots of 24,000 genes): time and memory of every step.

The pair is written as text in the published layout (3.3 GB), read in blocks, prepared, split, and two methods
run on it. Wall time depends on what else the machine does; CPU time hardly does.

Run: python benchmarks/big_pair.py [--cells 26252] [--spots 41674] [--genes 24000] [--folder FOLDER]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy import sparse

N_TYPES = 12
UMI_CELL, UMI_SPOT = 2500, 350  # as in Slide-seqV2: a bead sees little
PREPARE = """
import sys
from pathlib import Path
from stbench.data.sources import dataset_in
from stbench.data.limit import Limit
from stbench.data.cache import load
from stbench.data.split import make_splits
pair = load(dataset_in(Path(sys.argv[1])), Limit())
print(pair.reference.shape, pair.spatial.shape, len(make_splits(pair.genes, 10)), "splits")
"""
RUN = "import sys; from stbench.cli import main; sys.argv[0] = 'stbench'; main()"


def main(
    cells: Annotated[int, typer.Option()] = 26_252,
    spots: Annotated[int, typer.Option()] = 41_674,
    genes: Annotated[int, typer.Option()] = 24_000,
    methods: Annotated[str, typer.Option(help="Methods to run.")] = "kernel,spage",
    folder: Annotated[Path | None, typer.Option(help="Where to work.  [default: a temporary folder]")] = None,
) -> None:
    """Print one markdown table."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        pair = Path(work) / "big"
        write_pair(pair, cells, spots, genes)
        size = sum(file.stat().st_size for file in pair.iterdir())
        print(f"{cells} cells, {spots} spots, {genes} genes, {size / 1e9:.1f} GB of text\n")
        print("| step | wall s | CPU s | peak memory, GB |\n|---|---|---|---|")
        environment = os.environ | {"STBENCH_CACHE": f"{work}/cache"}
        show("read, prepare, split", [PREPARE, str(pair)], environment)
        show("the same, from the cache", [PREPARE, str(pair)], environment)
        results = Path(work) / "results"
        grid = ["run", "--methods", methods, "--datasets", str(pair), "--jobs", "1", "--out", str(results)]
        show("stbench run, all of it", [RUN, *grid], environment)
        for file in sorted(results.glob("runs/*/manifest.json")):
            run = json.loads(file.read_text())
            peak = run.get("peak_rss_bytes") or 0
            print(f"| {run['method']} ({run['status']}) | {run['wall_s']:.0f} | | {peak / 1e9:.2f} |")


def show(step: str, arguments: list[str], environment: dict[str, str]) -> None:
    """Run Python code in a process of its own and print what it and its children cost."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-c", *arguments]
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            sys.exit(f"{step}: {said.read()}")
    wall = time.perf_counter() - start
    cpu = usage.ru_utime + usage.ru_stime
    print(f"| {step} | {wall:.0f} | {cpu:.0f} | {usage.ru_maxrss * 1024 / 1e9:.2f} |", flush=True)


def write_pair(folder: Path, cells: int, spots: int, genes: int) -> None:
    """A pair in the text layout: cell types with profiles of their own, in patches in space."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    level = rng.gamma(0.3, 1, genes)
    profiles = level * np.exp(rng.normal(0, 1, (N_TYPES, genes)))
    places = rng.uniform(0, 5000, (spots, 2))
    centres = rng.uniform(0, 5000, (3 * N_TYPES, 2))
    patches = np.argmin(((places[:, None] - centres) ** 2).sum(axis=2), axis=1) % N_TYPES
    names = [f"Gene{i:05d}" for i in range(genes)]
    reference = draw(rng, profiles, rng.integers(0, N_TYPES, cells), UMI_CELL).T.tocsr()
    write_text(folder / "scRNA_count.txt", reference, [f"cell{i}" for i in range(cells)], names)
    write_text(folder / "Spatial_count.txt", draw(rng, profiles, patches, UMI_SPOT), names, None)
    np.savetxt(folder / "Locations.txt", places, delimiter="\t", header="X\tY", comments="", fmt="%.3f")
    (folder / "card.toml").write_text('panel = "transcriptome"\nmin_genes = 500\n')


def draw(rng: np.random.Generator, profiles: np.ndarray, types: np.ndarray, umi: int) -> sparse.csr_matrix:
    """Counts (n_rows, n_genes): for every row so many molecules drawn from the profile of its type."""
    cumulative = np.cumsum(profiles, axis=1)
    rows = []
    for kind in types:
        molecules = rng.random(rng.poisson(umi)) * cumulative[kind, -1]
        genes, counts = np.unique(np.searchsorted(cumulative[kind], molecules), return_counts=True)
        rows.append((genes, np.minimum(counts, 9)))  # one digit, so that writing is quick
    indptr = np.concatenate([[0], np.cumsum([len(genes) for genes, _ in rows])])
    indices, data = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return sparse.csr_matrix((data, indices, indptr), shape=(len(types), profiles.shape[1]))


def write_text(file: Path, values: sparse.csr_matrix, header: list[str], rows: list[str] | None) -> None:
    """Tab separated text of one-digit counts."""
    line = np.full(2 * values.shape[1], ord("\t"), dtype=np.uint8)
    with file.open("wb") as out:
        out.write(("\t".join([*([""] if rows else []), *header]) + "\n").encode())
        for i in range(values.shape[0]):
            line[::2] = ord("0")
            part = slice(values.indptr[i], values.indptr[i + 1])
            line[2 * values.indices[part]] += values.data[part].astype(np.uint8)
            line[-1] = ord("\n")
            out.write((f"{rows[i]}\t".encode() if rows else b"") + line.tobytes())


if __name__ == "__main__":
    typer.run(main)
