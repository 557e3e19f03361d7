"""``stbench predict --genes all`` at full size: 3,000 cells x 18,500 genes, 1,500 spots x 500 measured genes.

Prints, for each method, wall time, CPU time and the peak memory of all processes together, cross-validation
included; and how good the 18,000 predicted genes are beside what the file says to expect of them, which the
simulation knows. Wall time depends on what else the machine does; CPU time hardly does.

Run: python benchmarks/predict_many_genes.py [--methods kernel,spage] [--genes 18500] [--keep FOLDER]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import anndata
import numpy as np
import pandas as pd
import psutil
import typer
from scipy import sparse

N_PROGRAMS = 12
UMI_CELL, UMI_SPOT = 6000, 3000
LOOK_SECONDS = 0.2  # between two looks at memory
PREDICT = "import sys; from stbench.cli import main; sys.argv[0] = 'stbench'; main()"


def main(
    methods: Annotated[str, typer.Option()] = "kernel,causalged-kernel,spage,ridge_genes",
    cells: Annotated[int, typer.Option()] = 3000,
    spots: Annotated[int, typer.Option()] = 1500,
    genes: Annotated[int, typer.Option(help="In the reference.")] = 18_500,
    measured: Annotated[int, typer.Option(help="Of them in space.")] = 500,
    keep: Annotated[Path | None, typer.Option(help="Keep the predicted h5ad files here.")] = None,
) -> None:
    """Print one markdown table."""
    with tempfile.TemporaryDirectory() as work:
        pair = Path(work) / "many"
        truth = write_pair(pair, cells, spots, genes, measured)
        print("| method | wall s | CPU s | peak GB | genes | PCC expected | PCC | in the 90 % intervals |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for method in methods.split(","):
            out = Path(work) / f"{method}.h5ad"
            wall, cpu, peak = cost(["predict", str(pair), "--method", method, "--out", str(out)])
            answer = anndata.read_h5ad(out)
            accuracy = " | ".join(f"{value:.3f}" for value in judged(answer, truth))
            print(f"| {method} | {wall:.0f} | {cpu:.0f} | {peak / 1e9:.2f} | {answer.n_vars} | {accuracy} |")
            sys.stdout.flush()
            if keep is not None:
                shutil.copy(out, keep)


def cost(arguments: list[str]) -> tuple[float, float, int]:
    """Wall and CPU seconds of a call of stbench, and the peak memory of it and its children together."""
    start, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-c", PREDICT, *arguments]
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, memory(process.pid))
            time.sleep(LOOK_SECONDS)
        if ended[1]:
            said.seek(0)
            sys.exit(said.read())
    usage = ended[2]
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, peak


def memory(pid: int) -> int:
    """Bytes of a process and all its descendants, shared pages counted once."""
    total = 0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:  # it ended in between
            continue
    return total


def judged(answer: anndata.AnnData, truth: anndata.AnnData) -> tuple[float, float, float]:
    """Mean expected PCC and mean PCC of the predicted genes, and the share of values in their intervals."""
    values = truth[answer.obs_names, answer.var_names].X.toarray()
    varying = np.ptp(values, axis=0) > 0
    centred = [(x - x.mean(axis=0))[:, varying] for x in (values, answer.X)]
    norms = [np.linalg.norm(x, axis=0) for x in centred]
    pcc = (centred[0] * centred[1]).sum(axis=0) / np.maximum(norms[0] * norms[1], 1e-12)
    inside = (answer.layers["lower"] <= values) & (values <= answer.layers["upper"])
    return float(answer.var["expected_pcc"][varying].mean()), float(pcc.mean()), float(inside.mean())


def write_pair(folder: Path, cells: int, spots: int, genes: int, measured: int) -> anndata.AnnData:
    """Write a pair and return the truth: ``X`` of all genes at the spots, normalised over all genes.

    Programs of genes that vary smoothly in space; the measured genes are a random half of the most expressed
    ones, as those of a panel are.
    """
    from stbench.toolbox.scale import log_normalise

    rng = np.random.default_rng(0)
    names = pd.Index([f"Gene{i:05d}" for i in range(genes)])
    level, loadings = rng.normal(0, 1.5, genes), rng.normal(0, 0.5, (N_PROGRAMS, genes))
    places = rng.uniform(0, 10, (spots, 2))
    programs = np.sin(places @ rng.normal(0, 0.6, (2, N_PROGRAMS)) + rng.uniform(0, 6, N_PROGRAMS))
    reference = draw(rng, level, rng.normal(0, 0.7, (cells, N_PROGRAMS)) @ loadings, UMI_CELL)
    spatial = draw(rng, level, programs @ loadings, UMI_SPOT)
    panel = np.sort(rng.choice(np.argsort(-level)[: 2 * measured], measured, replace=False))
    folder.mkdir()
    cell_names = pd.DataFrame(index=[f"cell{i}" for i in range(cells)])
    anndata.AnnData(reference, obs=cell_names, var=pd.DataFrame(index=names)).write_h5ad(folder / "sc.h5ad")
    spot_names = pd.DataFrame(index=[f"spot{i}" for i in range(spots)])
    table = anndata.AnnData(spatial[:, panel], obs=spot_names, var=pd.DataFrame(index=names[panel]))
    table.obsm["spatial"] = places
    table.write_h5ad(folder / "st.h5ad")
    return anndata.AnnData(log_normalise(spatial), obs=spot_names, var=pd.DataFrame(index=names))


def draw(rng: np.random.Generator, level: np.ndarray, log_fold: np.ndarray, umi: int) -> sparse.csr_matrix:
    """Counts (n_rows, n_genes): for every row about ``umi`` molecules."""
    rows = []
    for fold in log_fold:
        rate = np.exp(level + fold)
        rows.append(sparse.csr_matrix(rng.poisson(umi * rate / rate.sum()).astype(np.float32)))
    return sparse.vstack(rows, format="csr")


if __name__ == "__main__":
    typer.run(main)
