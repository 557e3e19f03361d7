"""``stbench predict``: the unmeasured genes of a pair and their expected accuracy."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad

from stbench import __version__, machine
from stbench.applied.accuracy import Accuracy, accuracy
from stbench.applied.choosing import LEVEL, candidates, conclude, similarity
from stbench.applied.crossval import ACCURACY, CHOICE, CrossValidation, cross_validate
from stbench.config.options import Options, PredictOptions
from stbench.data.prepare import Pair
from stbench.data.split import Split, make_splits
from stbench.data.visible import visible_spatial
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import read_prediction, write_tables
from stbench.files import whole_file
from stbench.method import REGISTRY, Prediction, Shape
from stbench.metric import headline
from stbench.runs.events import Reporter
from stbench.runs.executors import forks, limits
from stbench.runs.manifest import OK
from stbench.runs.process import Templates, finish, start_run
from stbench.runs.provenance import command
from stbench.runs.spec import RunSpec
from stbench.toolbox.conformal import bounded

log = logging.getLogger(__name__)

PREDICTION = "predict the genes"  # a stage, for the reporter
BLOCK_VALUES = 100_000_000  # of a block of genes at all spots: 0.8 GB
MEMORY_SHARE = 0.5  # of the machine, for the method's own estimate of a block


def predict(options: PredictOptions, pair: Pair, reporter: Reporter) -> AnnData:
    """The unmeasured genes of ``pair``, spots x genes, see `write_imputation`.

    The method ``best`` is chosen as by ``stbench choose``. The result is a view of the file ``options.out``
    (backed), or in memory without one. ``options.work`` keeps the cross-validation; None: a folder in the
    cache, which ``uns["stbench"]["runs"]`` names.
    """
    best = options.method == "best"
    methods = candidates(options, options.methods if best else [options.method])
    reporter.stages([*([CHOICE] if best else []), ACCURACY, PREDICTION])
    genes = unmeasured(pair, None if options.genes == ("all",) else options.genes)
    with TemporaryDirectory(prefix="stbench-") as scratch:
        validation = cross_validate(pair, methods, options, options.work, reporter, nested=best)
        if best:
            choice = conclude(validation)
            log.info(choice.verdict)
            label, chosen = choice.best, choice.chosen
        else:
            label = validation.specs[0].label
            if label in validation.failures:
                raise StbenchError(f"{label} gave no prediction: {validation.failures[label]}")
            chosen = dict.fromkeys(range(options.splits), label)
        file = options.out or Path(scratch, "imputed.h5ad")
        reporter.stage(PREDICTION)
        write_imputation(validation, label, genes, file, options, reporter, chosen=chosen)
        return read_h5ad(file, backed="r" if options.out else None)


def unmeasured(pair: Pair, requested: Sequence[str] | None = None) -> list[str]:
    """The genes to predict: those ``requested``, or all of the reference that are absent in space.

    Genes without counts in the reference are left out. Raises `StbenchError` for a requested gene that is
    measured, unknown or without counts.
    """
    known = set(pair.measured)
    seen = pd.Series(np.asarray(pair.reference.X.sum(axis=0)).ravel() > 0, index=pair.reference.var_names)
    if requested is None:
        genes = [gene for gene in seen.index[seen] if gene not in known]
        if not genes:
            raise StbenchError("Every gene of the reference is measured in space: there is none to predict.")
        return genes
    if not requested:
        raise StbenchError("--genes is empty. Give names of genes, or all.")
    for gene in requested:
        if gene in known:
            raise StbenchError(f"Gene '{gene}' is measured in space. Leave it out of --genes.")
        if gene not in seen.index:
            raise StbenchError(f"Gene '{gene}' is not in the reference, so that it cannot be predicted.")
        if not seen[gene]:
            raise StbenchError(f"Gene '{gene}' has no count in the reference. Leave it out of --genes.")
    return list(dict.fromkeys(requested))


def write_imputation(
    validation: CrossValidation,
    method: str,
    genes: Sequence[str],
    out: Path,
    options: Options,
    reporter: Reporter,
    *,
    chosen: Mapping[int, str],
) -> None:
    """Fit ``method`` (a label of ``validation``) on all measured genes; write its predictions to ``out``.

    The file is AnnData, spots x ``genes``: ``X`` on the benchmark's scale, ``layers["lower"]`` and
    ``["upper"]`` (90 % intervals, the method's own or conformal), ``var`` with the similarity to the nearest
    measured gene and the expected PCC, ``obsm["spatial"]``, and ``uns["stbench"]`` with its provenance.
    The accuracy is that of the methods ``chosen`` by rotation, see `accuracy`; ``mean_pcc`` in ``uns`` is for
    genes like the measured ones. Each block of genes has its own process on this machine, and only one block
    is in memory.
    """
    pair, known = validation.pair, accuracy(validation, chosen)
    first = make_splits(pair.genes)[0]
    everything = Split(0, 0, first.train + first.test, first.val, ())  # no measured gene is hidden
    spec = next(spec for spec in validation.specs if spec.label == method)
    spec = replace(spec, split=everything)
    blocks = list(_blocks(pair, spec, genes))
    similarities = pd.concat([similarity(pair, pair.genes, block) for block in blocks])
    table = AnnData(
        obs=pd.DataFrame(index=pair.spatial.obs_names.copy()),
        var=known.expected(similarities).assign(similarity=similarities),
        uns={"stbench": _about(pair, spec, known, chosen) | {"runs": str(validation.results.folder)}},
    )
    if "spatial" in pair.spatial.obsm:
        table.obsm["spatial"] = np.asarray(pair.spatial.obsm["spatial"])
    templates = Templates(options.threads or machine.cores(), fork=forks(options))
    with (
        closing(templates),
        whole_file(out) as part,
        TemporaryDirectory(prefix="stbench-predict-") as work,
    ):
        table.write_h5ad(part)
        reference, tables = Path(work) / "reference.h5ad", Path(work) / "tables"
        pair.reference.write_h5ad(reference)
        write_tables(tables, reference, visible_spatial(pair.spatial, spec.split, spec.units))
        with h5py.File(part, "r+") as file:
            matrices = [_empty(file, name, table.shape) for name in ("X", "layers/lower", "layers/upper")]
            done = 0
            for block in blocks:
                answer = _predict_block(pair, spec, block, tables, options, templates)
                if answer.lower is None:
                    errors = known.predicted, known.errors
                    answer = bounded(answer.mean, *errors, n_genes=len(pair.genes), level=LEVEL)
                for matrix, values in zip(matrices, (answer.mean, answer.lower, answer.upper), strict=True):
                    matrix[:, done : done + len(block)] = values
                done += len(block)
                reporter.advanced(done, len(genes), "genes")


def _blocks(pair: Pair, spec: RunSpec, genes: Sequence[str]) -> Iterator[list[str]]:
    """Blocks of genes of the largest size that the method's memory estimate allows."""
    method = REGISTRY.get(spec.method)(**spec.parameters | spec.scaled)
    available = MEMORY_SHARE * machine.memory_bytes("cpu")

    def needed(n_targets: int) -> int:
        shape = (pair.reference.n_obs, pair.spatial.n_obs, len(pair.genes), n_targets, pair.reference.n_vars)
        return method.memory_bytes(Shape(*shape))

    size = max(min(BLOCK_VALUES // pair.spatial.n_obs, len(genes)), 1)
    while size > 1 and needed(size) > available:
        size //= 2
    for start in range(0, len(genes), size):
        yield list(genes[start : start + size])


def _predict_block(
    pair: Pair, spec: RunSpec, block: list[str], tables: Path, options: Options, templates: Templates
) -> Prediction:
    """The prediction of a block of genes in its own process."""
    on_gpu = spec.device != "cpu" and machine.gpus()  # the runs may have used the GPU of a Dask worker
    plugins = [str(path.resolve()) for path in options.plugin]
    device = "cuda:0" if on_gpu else "cpu"  # the first GPU that this process can use
    task = spec.task_file(device, templates.threads, plugins, block)
    process = start_run(tables, task, limits(options), gpu=None, template=templates.of(spec.method))
    try:
        outcome = finish(process)
        if outcome["status"] != OK:
            raise StbenchError(f"{spec.label} gave no prediction: {outcome['status']}: {outcome['reason']}")
        return read_prediction(process.folder / "prediction.h5ad", list(pair.spatial.obs_names), block)
    finally:
        shutil.rmtree(process.folder, ignore_errors=True)


def _empty(file: h5py.File, name: str, shape: tuple[int, int]) -> h5py.Dataset:
    """A new matrix in an h5ad file, in AnnData's format for a dense one, to be filled block by block."""
    if name in file:
        del file[name]
    chunks = tuple(min(size, 512) for size in shape)
    matrix = file.create_dataset(name, shape, dtype="float32", chunks=chunks, compression="gzip")
    matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    return matrix


def _about(pair: Pair, spec: RunSpec, known: Accuracy, chosen: Mapping[int, str]) -> dict[str, Any]:
    """The provenance of the file."""
    metric = headline()
    return {
        "stbench_version": __version__,
        "command": " ".join(command()),
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
        f"mean_{metric}": known.overall.mean,
        f"mean_{metric}_low": known.overall.low,
        f"mean_{metric}_high": known.overall.high,
        f"mean_{metric}_of": [chosen[rotation] for rotation in sorted(chosen)],
        "scale": "X is log(N c / sum(c) + 1) for counts, log1p(value) for intensities",
        "interval_level": LEVEL,
    }
