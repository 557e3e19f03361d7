"""The task on disk: all that a method's process gets, and the answer it gives.

A task folder holds ``reference.h5ad``, ``spatial.h5ad`` and ``task.json`` (format version, targets, units,
seed, threads, device, method, parameters). The answer is ``prediction.h5ad``: spots x targets with names
as given, predicted values in ``X``, optional bounds in ``layers["lower"]`` and ``layers["upper"]``. It is
the contract for programs in other languages too.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.errors import StbenchError
from stbench.files import open_h5ad, read_h5ad, read_json, write_json
from stbench.method import Prediction
from stbench.task import Task

FORMAT = 1
BYTES_PER_VALUE = 64  # mean and bounds as float64, or sparse, and some to spare
SPARE_BYTES = 64 << 20  # for names and the format itself


class InvalidPrediction(StbenchError):
    """The answer of a method is not what was asked for."""


def write_task(folder: Path, reference: Path, spatial: AnnData, targets: list[str], units: str) -> None:
    """Write the part of a task folder that all methods share; ``reference`` is an h5ad file beside it."""
    folder.mkdir(parents=True)
    try:
        os.link(reference, folder / "reference.h5ad")  # only read from here: each run gets a copy
    except OSError:  # a disk without links
        shutil.copyfile(reference, folder / "reference.h5ad")
    spatial.write_h5ad(folder / "spatial.h5ad")
    write_json(folder / "task.json", {"format": FORMAT, "targets": targets, "units": units})


def read_task(folder: Path) -> tuple[Task, dict[str, Any]]:
    """The task in ``folder`` and the whole of its ``task.json``."""
    content = read_json(folder / "task.json")
    if content.get("format") != FORMAT:
        raise StbenchError(
            f"'{folder}' has task format {content.get('format')}, this stbench reads {FORMAT}."
        )
    reference, spatial = read_h5ad(folder / "reference.h5ad"), read_h5ad(folder / "spatial.h5ad")
    return Task(reference, spatial, content["targets"], content["units"]), content


def write_prediction(file: Path, task: Task, answer: np.ndarray | Prediction) -> None:
    """Write what ``predict`` returned; `InvalidPrediction` where the shape or a value is wrong."""
    prediction = answer if isinstance(answer, Prediction) else Prediction(answer)
    shape = (task.spatial.n_obs, len(task.targets))
    parts = {"mean": prediction.mean, "lower": prediction.lower, "upper": prediction.upper}
    arrays = {key: _checked(key, value, shape) for key, value in parts.items() if value is not None}
    table = AnnData(
        arrays.pop("mean"),
        obs=pd.DataFrame(index=task.spatial.obs_names.copy()),
        var=pd.DataFrame(index=task.targets),
        layers=arrays,
    )
    table.uns["level"] = float(prediction.level)
    table.write_h5ad(file)


def read_prediction(file: Path, spots: list[str], targets: list[str]) -> Prediction:
    """The answer in ``file``, in the order asked for; `InvalidPrediction` where it is wrong."""
    if not file.is_file() or file.is_symlink():
        raise InvalidPrediction("the run ended without a prediction")
    try:
        table = open_h5ad(file, BYTES_PER_VALUE * len(spots) * len(targets) + SPARE_BYTES)
    except StbenchError as error:
        raise InvalidPrediction(f"the prediction file {error}") from error
    except Exception as error:  # h5py and anndata raise many kinds for a damaged file
        raise InvalidPrediction(f"the prediction file is damaged ({type(error).__name__})") from error
    for what, names, wanted in (("spot", table.obs_names, spots), ("gene", table.var_names, targets)):
        missing = set(wanted) - set(names)
        if missing or len(names) != len(wanted):
            detail = f", '{min(missing)}' is missing" if missing else ""
            raise InvalidPrediction(
                f"the prediction has {len(names)} {what}s instead of {len(wanted)}{detail}"
            )
    table = table[spots, targets]
    shape = (len(spots), len(targets))
    bounds = {
        key: _checked(key, table.layers[key], shape) for key in ("lower", "upper") if key in table.layers
    }
    return Prediction(_checked("mean", table.X, shape), **bounds, level=float(table.uns.get("level", 0.9)))


def _checked(name: str, values: Any, shape: tuple[int, int]) -> np.ndarray:
    values = values.toarray() if sparse.issparse(values) else np.asarray(values)
    if values.shape != shape:
        raise InvalidPrediction(f"{name} has shape {values.shape} instead of {shape} (spots, targets)")
    if values.dtype.kind not in "fiub":
        raise InvalidPrediction(f"{name} holds {values.dtype} instead of numbers")
    if not np.isfinite(values).all():
        raise InvalidPrediction(f"{name} has {int((~np.isfinite(values)).sum())} NaN or infinite values")
    return values.astype(np.float32 if values.dtype == np.float32 else np.float64)
