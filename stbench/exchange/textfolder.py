"""The tables of a task as plain text, for programs without HDF5, such as plain R.

A table is a folder with

- ``X.mtx`` and ``counts.mtx``: MatrixMarket, rows x genes (counts only where the units are counts);
- ``obs.csv`` and ``var.csv``: first column ``name``, in the order of the rows and of the columns;
- ``coordinates.csv``: ``name``, ``x``, ``y`` and optionally ``z``, where they are known.

``targets.csv`` (``name``) and ``settings.csv`` (``name``, ``value``: seed, threads, units, parameters, ...)
repeat ``task.json`` for programs that read no JSON. The prediction is ``prediction.csv``: names of the spots
in the first column, then a column per target, with a header; ``lower.csv`` and ``upper.csv`` of the same
shape are bounds of 90 % intervals.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.io import mmwrite

from stbench.exchange.taskfolder import InvalidPrediction, TaskFile


def write_table(folder: Path, table: AnnData) -> None:
    """Write ``table`` into the new ``folder``."""
    folder.mkdir()
    for name, values in {"X": table.X, **table.layers}.items():
        mmwrite(folder / f"{name}.mtx", sparse.coo_array(values), field="real", symmetry="general")
    table.obs.to_csv(folder / "obs.csv", index_label="name")
    table.var.to_csv(folder / "var.csv", index_label="name")
    if "spatial" in table.obsm:
        coordinates = np.asarray(table.obsm["spatial"])
        columns = ["x", "y", "z"][: coordinates.shape[1]]
        frame = pd.DataFrame(coordinates, index=table.obs_names, columns=columns)
        frame.to_csv(folder / "coordinates.csv", index_label="name")


def write_settings(folder: Path, task: TaskFile) -> None:
    """Write ``targets.csv`` and ``settings.csv``, which repeat ``task.json``."""
    pd.DataFrame({"name": task.targets}).to_csv(folder / "targets.csv", index=False)
    plain = task.model_dump(include={"seed", "threads", "device", "units"}) | task.parameters
    pd.Series(plain, name="value").to_csv(folder / "settings.csv", index_label="name")


def collect_prediction(folder: Path) -> None:
    """Write ``prediction.h5ad`` from the text files; `InvalidPrediction` for text that is no table."""
    if not (folder / "prediction.csv").is_file():
        raise InvalidPrediction("the program ended without prediction.csv")
    mean = _read(folder / "prediction.csv")
    table = AnnData(mean, uns={"level": 0.9})
    for file in (folder / "lower.csv", folder / "upper.csv"):
        if file.is_file():
            bound = _read(file)
            if bound.shape != mean.shape:
                raise InvalidPrediction(f"{file.name} has shape {bound.shape}, prediction.csv {mean.shape}")
            table.layers[file.stem] = bound.to_numpy()
    table.write_h5ad(folder / "prediction.h5ad")


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, index_col=0)
        table.index = table.index.astype(str)
        return table.astype(float)
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise InvalidPrediction(f"{file.name} is not a table of numbers ({error})") from error
