"""Reads the manifest of a run. A results folder may come from a stranger, so its content is checked here.

The checks are about the form and the size of every value that becomes part of a path, a query or a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from stbench.errors import StbenchError
from stbench.files import read_json

OK = "ok"
BAD = ("failed", "timeout", "out_of_memory", "invalid")  # these make the exit code non-zero
STATUSES = (OK, *BAD, "unsupported", "skipped")
MAX_MANIFEST_BYTES = 1 << 20

Text = Annotated[str, StringConstraints(max_length=5000)]
Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Split(BaseModel):
    hash: Hash
    rotation: int
    split_seed: int


class _Submitted(BaseModel):
    """What is known of a prediction that was made elsewhere."""

    card: dict[Text, Text]
    file: Text
    sha256: Hash
    n_other_genes: int


class _Shape(BaseModel):
    cells: int
    spots: int
    visible: int
    targets: int


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    key: Hash
    method: Text
    label: Text
    family: Text
    kind: Text
    version: Text
    preset: Text
    dataset: Name
    data_hash: Hash
    units: Literal["counts", "intensity"]
    limit: Text
    split: _Split
    seed: int
    device: Text = "cpu"
    shape: _Shape | None = None
    status: Literal["ok", "failed", "timeout", "out_of_memory", "invalid", "unsupported", "skipped"]
    reason: Text
    started: Text | None = None
    wall_s: Seconds | None = None
    predict_s: Seconds | None = None
    predict_cpu_s: Seconds | None = None
    peak_rss_bytes: int | None = None
    prediction_sha256: Hash | None = None
    prediction_bytes: int | None = None
    chosen: dict[Text, Any] = {}
    submitted: _Submitted | None = None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a run folder; `StbenchError` for one that is missing or damaged."""
    file = folder / "manifest.json"
    if file.is_file() and file.stat().st_size > MAX_MANIFEST_BYTES:
        raise StbenchError(f"File '{file}' is too large for a manifest.")
    manifest: dict[str, Any] = read_json(file)
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StbenchError(f"File '{file}' is not a manifest: {where}: {first['msg']}.") from error
    if manifest["key"] != folder.name:
        raise StbenchError(f"File '{file}' belongs to the run '{manifest['key']}'.")
    return manifest


def title(manifest: dict[str, Any]) -> str:
    """Short name of the run of a manifest, for people."""
    split = manifest["split"]["rotation"]
    return f"{manifest['label']} · {manifest['dataset']} · split {split} · seed {manifest['seed']}"
