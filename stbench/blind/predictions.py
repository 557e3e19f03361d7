"""Reads the predictions of a submission: one file per task, in the folder of its task."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from stbench.blind.manifest import Exported, check_file
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import BYTES_PER_VALUE, SPARE_BYTES, InvalidPrediction
from stbench.exchange.textfolder import read_answer
from stbench.files import open_h5ad, refuse_links

ENDINGS = (".h5ad", ".csv", ".tsv", ".parquet")
STEM = "prediction"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """The prediction of one task: ``table`` spots x targets, with bounds as layers.

    ``n_other_genes`` were in the file too and are left out.
    """

    table: AnnData
    n_other_genes: int


def prediction_files(folder: Path, exported: Exported) -> dict[str, Path]:
    """The prediction file of every task that was exported, by the name of the task.

    Raises `StbenchError` for a link, for a task with no file or with two, for a file that belongs to no task,
    and for a copy of an exported file that has changed.
    """
    if not folder.is_dir():
        raise StbenchError(f"Folder '{folder}' does not exist. Give the folder of the predictions.")
    refuse_links(folder, "folder of predictions")
    found: dict[str, Path] = {}
    for file in sorted(file for file in folder.rglob(f"{STEM}.*") if file.suffix in ENDINGS):
        name = file.parent.relative_to(folder).as_posix()
        if name not in exported.tasks:
            raise StbenchError(
                f"'{file}' belongs to no task that was exported. Tasks: {', '.join(exported.tasks)}."
            )
        if name in found:
            raise StbenchError(f"Task '{name}' has two predictions: '{found[name]}' and '{file}'. Keep one.")
        found[name] = file
    if missing := [name for name in exported.tasks if name not in found]:
        raise StbenchError(
            f"No prediction for {len(missing)} of {len(exported.tasks)} tasks: "
            f"'{folder / missing[0] / STEM}' is missing, with an end {', '.join(ENDINGS)}."
        )
    for name, task in exported.tasks.items():
        for copied in (one for one in task.files if (folder / name / one).exists()):
            check_file(folder / name / copied, task.files[copied])
    return found


def read_prediction_file(file: Path, spots: list[str], targets: list[str], n_genes: int) -> Answer:
    """The prediction in ``file`` for these spots and targets, in this order.

    Its rows and columns are matched by name. Genes that are no targets are left out with a message. Values
    are not checked here. ``n_genes`` is the largest number of genes that is read. Raises `StbenchError` for a
    file that cannot be read, and for a spot or a gene that is missing, unknown (a spot) or there twice.
    """
    most_bytes = BYTES_PER_VALUE * len(spots) * n_genes + SPARE_BYTES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # anndata warns of repeated names, which are an error below
            table = _read(file, most_bytes)
    except InvalidPrediction as error:
        raise StbenchError(f"'{file}': {error}.") from error
    for what, names, requested in (("spot", table.obs_names, spots), ("gene", table.var_names, targets)):
        if not names.is_unique:
            raise StbenchError(f"'{file}' has the {what} '{names[names.duplicated()][0]}' twice.")
        if missing := sorted(set(requested) - set(names)):
            raise StbenchError(
                f"'{file}' lacks {len(missing)} of the {len(requested)} {what}s of its task: '{missing[0]}'"
                f"{' and others' * (len(missing) > 1)}."
            )
    if others := sorted(set(table.obs_names) - set(spots)):
        raise StbenchError(f"'{file}' has the spot '{others[0]}', which its task does not have.")
    n_others = table.n_vars - len(targets)
    if n_others:
        log.info("%s: %d genes that the task does not ask for are ignored", file, n_others)
    table = table[spots, targets]
    layers = {name: table.layers[name] for name in ("lower", "upper") if name in table.layers}
    obs, var = pd.DataFrame(index=spots), pd.DataFrame(index=targets)
    answer = AnnData(table.X, obs=obs, var=var, layers=layers)
    level = table.uns.get("level", 0.9)
    if not isinstance(level, float | np.floating) or not 0 < level < 1:
        raise StbenchError(f"'{file}': the level of its intervals is no number between 0 and 1.")
    answer.uns["level"] = float(level)
    return Answer(answer, n_others)


def _read(file: Path, most_bytes: int) -> AnnData:
    if file.suffix != ".h5ad":
        size = file.stat().st_size if file.suffix != ".parquet" else _unpacked_bytes(file)
        if size > most_bytes:
            raise InvalidPrediction(f"the file unpacks to {size / 1e9:.1f} GB, too much for its task")
        return read_answer(file.parent, file.suffix)
    try:
        return open_h5ad(file, most_bytes)
    except StbenchError as error:
        raise InvalidPrediction(f"the file {error}") from error
    except Exception as error:  # h5py and anndata raise many kinds for a damaged file
        raise InvalidPrediction(f"the file is damaged ({type(error).__name__})") from error


def _unpacked_bytes(file: Path) -> int:
    import pyarrow.parquet

    try:
        about = pyarrow.parquet.read_metadata(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidPrediction(f"the file is damaged ({type(error).__name__})") from error
    return 8 * int(about.num_rows) * int(about.num_columns)
