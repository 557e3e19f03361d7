"""``stbench predict``: the unmeasured genes of a pair, with what to expect of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData

from stbench import __version__
from stbench import machine as devices
from stbench.applied.accuracy import Accuracy, accuracy
from stbench.applied.choosing import LEVEL, similarity
from stbench.applied.crossval import CrossValidation
from stbench.config.options import RunConfig
from stbench.data.prepare import Pair
from stbench.data.split import Split, make_splits, visible_spatial
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import read_prediction, write_task
from stbench.files import whole_file
from stbench.method import REGISTRY, Prediction, Shape
from stbench.runs.executors import limits
from stbench.runs.grid import POLL_SECONDS
from stbench.runs.manifest import OK
from stbench.runs.process import Child, new_run_folder
from stbench.runs.spec import RunSpec
from stbench.toolbox.conformal import bounded

MAX_BLOCK = 2000  # genes: their maps of 50,000 spots are 0.8 GB
MEMORY_SHARE = 0.5  # of the machine, for the method's own estimate of a block


def unmeasured(pair: Pair, measured: Sequence[str], asked: Sequence[str] | None) -> list[str]:
    """The genes to predict: those ``asked`` for, or all of the reference that are absent in space.

    ``measured`` are all genes of the spatial file. A gene without a count in the reference cannot be
    predicted. Raises `StbenchError` for a gene that was asked for and is measured, unknown or never seen.
    """
    known = set(measured)
    seen = pd.Series(np.asarray(pair.reference.X.sum(axis=0)).ravel() > 0, index=pair.reference.var_names)
    if asked is None:
        genes = [gene for gene in seen.index[seen] if gene not in known]
        if not genes:
            raise StbenchError("Every gene of the reference is measured in space: there is none to predict.")
        return genes
    for gene in asked:
        if gene in known:
            raise StbenchError(f"Gene '{gene}' is measured in space. Leave it out of --genes.")
        if gene not in seen.index:
            raise StbenchError(f"Gene '{gene}' is not in the reference, so that it cannot be predicted.")
        if not seen[gene]:
            raise StbenchError(f"Gene '{gene}' has no count in the reference. Leave it out of --genes.")
    return list(dict.fromkeys(asked))


def predict(
    validation: CrossValidation,
    method: str,
    genes: Sequence[str],
    out: Path,
    config: RunConfig,
    *,
    chosen: Mapping[int, str],
    provenance: dict[str, Any],
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Fit ``method`` (a label of ``validation``) on all measured genes; write its predictions to ``out``.

    The file is AnnData, spots x ``genes``: ``X`` on the benchmark's scale, ``layers["lower"]`` and
    ``["upper"]`` (90 % intervals, the method's own or conformal), ``var`` with the similarity to the nearest
    measured gene and the PCC to expect, ``obsm["spatial"]``, and ``uns["stbench"]`` with ``provenance``.
    All that is said of accuracy comes from the methods ``chosen`` by rotation, see `accuracy`; ``mean_pcc``
    in ``uns`` is for genes like the measured ones. Genes are predicted in blocks, each in a child process on
    this machine; one block at a time is in memory.
    """
    pair, spec, known = validation.pair, final_spec(validation, method), accuracy(validation, chosen)
    blocks = list(_blocks(pair, spec, genes))
    similarities = pd.concat([similarity(pair, pair.genes, block) for block in blocks])
    table = AnnData(
        obs=pd.DataFrame(index=pair.spatial.obs_names.copy()),
        var=known.expected(similarities).assign(similarity=similarities),
        uns={"stbench": _about(pair, spec, known, chosen) | provenance},
    )
    if "spatial" in pair.spatial.obsm:
        table.obsm["spatial"] = np.asarray(pair.spatial.obsm["spatial"])
    with whole_file(out) as part, TemporaryDirectory(prefix="stbench-predict-") as work:
        table.write_h5ad(part)
        pair.reference.write_h5ad(Path(work) / "reference.h5ad")
        with h5py.File(part, "r+") as file:
            matrices = [_empty(file, name, table.shape) for name in ("X", "layers/lower", "layers/upper")]
            done = 0
            for block in blocks:
                answer = _run(pair, spec, block, Path(work), config)
                if answer.lower is None:
                    errors = known.predicted, known.errors
                    answer = bounded(answer.mean, *errors, n_genes=len(pair.genes), level=LEVEL)
                for matrix, values in zip(matrices, (answer.mean, answer.lower, answer.upper), strict=True):
                    matrix[:, done : done + len(block)] = values
                done += len(block)
                say(f"{done} of {len(genes)} genes predicted")


def final_spec(validation: CrossValidation, method: str) -> RunSpec:
    """The run that sees every measured gene: the validation genes of the first split, all others as train."""
    spec = next(spec for spec in validation.specs if spec.label == method)
    first = make_splits(validation.pair.genes)[0]
    return replace(spec, split=Split(0, 0, first.train + first.test, first.val, ()))


def _blocks(pair: Pair, spec: RunSpec, genes: Sequence[str]) -> Iterator[list[str]]:
    """Blocks of genes, as large as the method's estimate of its memory allows."""
    method = REGISTRY.get(spec.method)(**spec.parameters)
    available = MEMORY_SHARE * devices.memory_bytes("cpu")

    def needed(n_targets: int) -> int:
        shape = (pair.reference.n_obs, pair.spatial.n_obs, len(pair.genes), n_targets, pair.reference.n_vars)
        return method.memory_bytes(Shape(*shape))

    size = min(MAX_BLOCK, len(genes))
    while size > 1 and needed(size) > available:
        size //= 2
    for start in range(0, len(genes), size):
        yield list(genes[start : start + size])


def _run(pair: Pair, spec: RunSpec, block: list[str], work: Path, config: RunConfig) -> Prediction:
    """What the method predicts for a block of genes, in a process of its own."""
    task = work / "task"
    spatial = visible_spatial(pair.spatial, spec.split, spec.units)
    write_task(task, work / "reference.h5ad", spatial, block, spec.units)
    threads = config.threads or devices.cores()
    plugins = [str(path.resolve()) for path in config.plugin]
    on_gpu = spec.device != "cpu" and devices.gpus()  # a Dask worker may have had one
    device = "cuda:0" if on_gpu else "cpu"  # the first that this process sees
    description = spec.description(device) | {"threads": threads, "plugins": plugins}
    folder = new_run_folder(task, description, prefix="stbench-predict-run-")
    shutil.rmtree(task)
    child = Child(folder, limits(config), threads)
    try:
        while (outcome := child.poll()) is None:
            time.sleep(POLL_SECONDS)
        if outcome["status"] != OK:
            raise StbenchError(f"{spec.label} gave no prediction: {outcome['status']}: {outcome['reason']}")
        return read_prediction(folder / "prediction.h5ad", list(pair.spatial.obs_names), block)
    except BaseException:
        child.kill()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _empty(file: h5py.File, name: str, shape: tuple[int, int]) -> h5py.Dataset:
    """A new matrix in an h5ad file, as AnnData writes a dense one, to be filled block by block."""
    if name in file:
        del file[name]
    chunks = tuple(min(size, 512) for size in shape)
    matrix = file.create_dataset(name, shape, dtype="float32", chunks=chunks, compression="gzip")
    matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    return matrix


def _about(pair: Pair, spec: RunSpec, known: Accuracy, chosen: Mapping[int, str]) -> dict[str, Any]:
    """What a reader of the file must know of where it comes from."""
    return {
        "stbench_version": __version__,
        "method": spec.label,
        "method_version": spec.version,
        "preset": spec.preset,
        "parameters": {name: str(value) for name, value in spec.parameters.items()},
        "seed": spec.seed,
        "dataset": pair.name,
        "data_hash": pair.hash,
        "limit": str(pair.limit),
        "units": spec.units,
        "n_measured_genes": len(pair.genes),
        "mean_pcc": known.mean,
        "mean_pcc_low": known.low,
        "mean_pcc_high": known.high,
        "mean_pcc_of": [chosen[rotation] for rotation in sorted(chosen)],
        "scale": "X is log(N c / sum(c) + 1) for counts, log1p(value) for intensities",
        "interval_level": LEVEL,
    }
