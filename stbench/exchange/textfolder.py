"""The tables of a task as plain text, for programs without HDF5, such as plain R.

A table is a folder with

- ``X.mtx`` and ``counts.mtx``: MatrixMarket, rows x genes (counts only where the units are counts);
- ``obs.csv`` and ``var.csv``: first column ``name``, in the order of the rows and of the columns;
- ``coordinates.csv``: ``name``, ``x``, ``y`` and optionally ``z``, where they are known.

``targets.csv`` (``name``) and ``settings.csv`` (``name``, ``value``: seed, threads, units, parameters, ...)
repeat ``task.json`` for programs that read no JSON. The prediction is ``prediction.csv``: names of the spots
in the first column, then a column per target, with a header; ``lower.csv`` and ``upper.csv`` with the same
rows and columns are bounds of 90 % intervals.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.io import mmwrite

from stbench.errors import first_line
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
    read_answer(folder).write_h5ad(folder / "prediction.h5ad")


def read_answer(folder: Path, ending: str = ".csv") -> AnnData:
    """The prediction in ``folder``, spots x genes, with bounds as layers where their files are there.

    The files end in ``.csv``, ``.tsv`` or ``.parquet``. In parquet the spots are the index, or the first
    column where there is none. Raises `InvalidPrediction` for a file that is no table of numbers.
    """
    mean = _read(folder / f"prediction{ending}")
    table = AnnData(mean, uns={"level": 0.9})
    for file in (folder / f"lower{ending}", folder / f"upper{ending}"):
        if file.is_file():
            bound = _read(file)
            if not (bound.index.equals(mean.index) and bound.columns.equals(mean.columns)):
                raise InvalidPrediction(f"{file.name} has not the rows and columns of prediction{ending}")
            table.layers[file.stem] = bound.to_numpy()
    return table


def _read(file: Path) -> pd.DataFrame:
    try:
        if file.suffix == ".parquet":
            table = pd.read_parquet(file)
            if isinstance(table.index, pd.RangeIndex):
                table = table.set_index(table.columns[0])
        else:
            table = _read_text(file, {".csv": ",", ".tsv": "\t"}[file.suffix])
        table.index, table.columns = table.index.astype(str), table.columns.astype(str)
        return table.rename_axis(index=None, columns=None).astype(float)
    except (ValueError, OSError, IndexError) as error:  # pandas' parser errors are ValueErrors
        raise InvalidPrediction(f"{file.name} is not a table of numbers ({first_line(error)})") from error


def _read_text(file: Path, separator: str) -> pd.DataFrame:
    """The table with the names of its header as they are: pandas would rename a gene that is there twice."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        header = next(csv.reader(lines, delimiter=separator), [])
    table = pd.read_csv(
        file,
        sep=separator,
        index_col=0,
        header=None,
        skiprows=1,
        dtype={0: str},  # as text: 001 is a name
        float_precision="round_trip",  # the default is off by one bit, which breaks ties of ranks
    )
    shift = len(header) - table.shape[1]  # 0: as R writes it, without a name of the first column
    if shift not in (0, 1):
        raise ValueError(f"a header of {len(header)} fields, lines of {table.shape[1] + 1}")
    return table.set_axis(header[shift:], axis=1)
