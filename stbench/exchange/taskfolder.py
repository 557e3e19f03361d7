"""Reads and writes the task folder, the only input of a method's process, and the prediction file.

A task folder holds ``reference.h5ad``, ``spatial.h5ad`` and ``task.json`` (`TaskFile`). The prediction is
``prediction.h5ad``: spots x targets with the names of the task, predicted values in ``X``, optional bounds in
``layers["lower"]`` and ``layers["upper"]``. Programs in other languages use the same contract.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from anndata import AnnData
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from scipy import sparse

from stbench.errors import StbenchError
from stbench.files import link_or_copy, open_h5ad, read_h5ad, read_json, write_json
from stbench.method import Prediction
from stbench.task import Task

TABLES = ("reference.h5ad", "spatial.h5ad")
BYTES_PER_VALUE = 64  # mean and bounds as float64, or sparse, and some to spare
SPARE_BYTES = 64 << 20  # for names and the format itself


class InvalidPrediction(StbenchError):
    """The prediction of a method does not fit the task."""


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("names must be unique")
    return names


class TaskFile(BaseModel):
    """``task.json``, which the process of a method reads besides the two tables."""

    model_config = ConfigDict(
        title="task.json of a stbench task folder",
        frozen=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
    )

    format: Literal[1] = Field(default=1, description="Version of the folder contract.")
    method: str = Field(description="Name of the method; empty in an exported task.")
    parameters: dict[str, Any] = Field(description="Its parameters, with the preset and --set applied.")
    targets: Annotated[list[str], AfterValidator(_unique)] = Field(
        min_length=1,
        description="Genes to predict: all in the reference, none in the spatial table.",
        json_schema_extra={"uniqueItems": True},
    )
    units: Literal["counts", "intensity"] = Field(description="Of the spatial values.")
    seed: int = Field(ge=0, description="Everything random derives from it.")
    threads: int = Field(ge=1, description="Number of threads to use.")
    device: str = Field(pattern=r"^(cpu|cuda:[0-9]+)$", description="Device to use.")
    plugins: list[str] = Field(
        default=[], description="Files that define the method, where it is not part of stbench."
    )

    def write(self, folder: Path) -> None:
        """Write ``task.json`` into ``folder``."""
        write_json(folder / "task.json", self.model_dump())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The ``task.json`` in ``folder``; `StbenchError` names the field that is wrong."""
        file = folder / "task.json"
        try:
            return cls.model_validate(read_json(file))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise StbenchError(f"File '{file}', {where}: {first['msg']}.") from error


def schema() -> dict[str, Any]:
    """The JSON schema of ``task.json``, the content of ``task.schema.json`` beside this file."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | TaskFile.model_json_schema(mode="serialization")


def write_tables(folder: Path, reference: Path, spatial: AnnData) -> None:
    """Write the two tables of a task into the new ``folder``; ``reference`` is an h5ad file.

    The reference is a link where the disk allows it, because every run gets a copy.
    """
    folder.mkdir(parents=True)
    link_or_copy(reference, folder / "reference.h5ad")
    spatial.write_h5ad(folder / "spatial.h5ad")


def read_task(folder: Path) -> tuple[Task, TaskFile]:
    """The task in ``folder`` and its ``task.json``."""
    file = TaskFile.read(folder)
    reference, spatial = (read_h5ad(folder / name) for name in TABLES)
    return Task(reference, spatial, file.targets, file.units), file


def write_prediction(file: Path, task: Task, answer: np.ndarray | Prediction) -> None:
    """Write the answer of ``predict``; `InvalidPrediction` where the shape or a value is wrong."""
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
    """The prediction in ``file``, in the given order; `InvalidPrediction` where it does not fit."""
    if not file.is_file() or file.is_symlink():
        raise InvalidPrediction("the run ended without a prediction")
    try:
        table = open_h5ad(file, BYTES_PER_VALUE * len(spots) * len(targets) + SPARE_BYTES)
    except StbenchError as error:
        raise InvalidPrediction(f"the prediction file {error}") from error
    except Exception as error:  # h5py and anndata raise many kinds for a damaged file
        raise InvalidPrediction(f"the prediction file is damaged ({type(error).__name__})") from error
    for what, names, requested in (("spot", table.obs_names, spots), ("gene", table.var_names, targets)):
        missing = set(requested) - set(names)
        if missing or len(names) != len(requested):
            problem = f"the prediction has {len(names)} {what}s instead of {len(requested)}"
            raise InvalidPrediction(problem + (f", '{min(missing)}' is missing" if missing else ""))
    table = table[spots, targets]
    parts = {"mean": table.X} | {key: table.layers[key] for key in ("lower", "upper") if key in table.layers}
    arrays = {key: _checked(key, values, table.shape) for key, values in parts.items()}
    return Prediction(**arrays, level=float(table.uns.get("level", 0.9)))


def _checked(name: str, values: Any, shape: tuple[int, int]) -> np.ndarray:
    values = values.toarray() if sparse.issparse(values) else np.asarray(values)
    if values.shape != shape:
        raise InvalidPrediction(f"{name} has shape {values.shape} instead of {shape} (spots, targets)")
    if values.dtype.kind not in "fiub":
        raise InvalidPrediction(f"{name} holds {values.dtype} instead of numbers")
    if not np.isfinite(values).all():
        raise InvalidPrediction(f"{name} has {int((~np.isfinite(values)).sum())} NaN or infinite values")
    return np.asarray(values, np.float32 if values.dtype == np.float32 else np.float64)
