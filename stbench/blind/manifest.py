"""``manifest.json`` of exported tasks: what each task must predict, and the hashes of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from stbench.data.limit import Limit
from stbench.data.split import N_FOLDS
from stbench.errors import StbenchError
from stbench.files import read_json, sha256, write_json
from stbench.runs.manifest import Hash, Name

FILE = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rules(_Part):
    """How the raw tables were read, as on `stbench.dataset.Card`."""

    match_genes: bool = False
    min_genes: int | None = None
    sections: str | None = None


class ExportedTask(_Part):
    """One task: one split of one dataset. ``files`` are the SHA-256 by path in the folder of the task."""

    dataset: Name
    data_hash: Hash
    units: Literal["counts", "intensity"]
    rotation: int = Field(ge=0, lt=N_FOLDS)
    split: Hash
    spots: int
    targets: list[str]
    files: dict[str, Hash]


class Exported(_Part):
    """The manifest; ``tasks`` are by the path of their folder, ``DATASET/splitK``."""

    format: Literal[1] = 1
    stbench: str
    tables: Literal["h5ad", "text"]
    limit: Annotated[str, AfterValidator(Limit.parse), AfterValidator(str)]
    split_seed: int = Field(ge=0)
    rules: Rules
    tasks: dict[str, ExportedTask]

    def write(self, folder: Path) -> None:
        """Write the manifest into ``folder``."""
        write_json(folder / FILE, self.model_dump())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest in ``folder``; `StbenchError` for one that is missing or damaged."""
        if not (folder / FILE).is_file():
            raise StbenchError(f"'{folder}' has no {FILE}. Give the --out of stbench export with --tasks.")
        content = read_json(folder / FILE)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise StbenchError(f"File '{folder / FILE}', {where}: {first['msg']}.") from error

    def check(self, folder: Path) -> None:
        """Raise `StbenchError` where a file of a task in ``folder`` is missing or has changed."""
        for name, task in self.tasks.items():
            for file, digest in task.files.items():
                check_file(folder / name / file, digest)


def check_file(file: Path, digest: str) -> None:
    """Raise `StbenchError` unless ``file`` has the content that was exported."""
    if not file.is_file() or sha256(file) != digest:
        problem = "has changed since it was exported" if file.is_file() else "is missing"
        raise StbenchError(f"'{file}' {problem}. Give what stbench export wrote.")


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below ``folder``, by its path there."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files}
