"""Every option of the commands that run methods, written once: for flags, TOML files and Python.

Making an object of these classes reads and checks all of its values: what comes out is typed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from stbench.config import values
from stbench.config.values import Settings
from stbench.data.limit import Limit
from stbench.data.split import N_FOLDS
from stbench.errors import StbenchError, unknown_name


def option(help: str, default: Any, parse: Callable[[Any], Any], *, many: bool = False) -> Any:
    """A field that is an option; ``many``: its flag may be repeated."""
    about = {"help": help, "parse": parse, "many": many}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What all commands that run methods take: how the methods are set up, and where and how they run."""

    data: tuple[Path, ...] = option("Folder of datasets; also $STBENCH_DATA.", (), values.paths, many=True)
    limit: Limit = option("cells=N,spots=N,genes=N: a seeded subsample.", Limit(), values.limit)
    preset: str | None = option(
        "cpu or paper: sizes of the methods. By default cpu, and paper on a GPU.",
        None,
        values.one_of("cpu", "paper"),
    )
    set: Settings = option("method.parameter=value; may be repeated.", {}, values.settings, many=True)
    plugin: tuple[Path, ...] = option(
        "Python file or card (.toml) with further plugins.", (), values.paths, many=True
    )
    device: str = option("auto, cpu, cuda or cuda:i.", "auto", values.text)
    jobs: int | None = option("Runs at the same time. By default half the cores.", None, values.whole(1))
    threads: int | None = option("Threads per run. By default cores / jobs.", None, values.whole(1))
    timeout: float | None = option("Kill a run after 90s, 30m or 2h.", None, values.seconds)
    memory_limit: int | None = option(
        "Kill a run that holds more, for example 8GB. By default 90 % of the machine.", None, values.n_bytes
    )
    memory_budget: int | None = option(
        "Estimated memory of the runs started together. By default 90 % of the machine.",
        None,
        values.n_bytes,
    )
    disk_limit: int = option("Kill a run that writes more.", 20 * 10**9, values.n_bytes)
    isolation: str = option(
        "auto, fork or spawn: how the process of a run starts. auto forks it from a warm process on Linux.",
        "auto",
        values.one_of("auto", "fork", "spawn"),
    )
    executor: str = option("local or dask.", "local", values.one_of("local", "dask"))
    scheduler: str | None = option("Address or scheduler file of a Dask cluster.", None, values.text)
    cluster: Path | None = option("TOML file of a cluster for dask-jobqueue.", None, values.path)
    shared: Path | None = option("Folder that all Dask workers see.", None, values.path)

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, read(one, getattr(self, one.name)))
        if self.executor == "local":
            for name in ("scheduler", "cluster", "shared"):
                if getattr(self, name) is not None:
                    raise StbenchError(f"--{name} goes with --executor dask.")

    @classmethod
    def of(cls, *sources: Mapping[str, Any]) -> Self:
        """The options in ``sources``, of which later ones win; an unknown name is an error."""
        merged: dict[str, Any] = {}
        for source in sources:
            for name in source:
                named(cls, name)
            merged |= source
        return cls(**merged)

    @classmethod
    def in_file(cls, file: Path) -> dict[str, Any]:
        """The options in a TOML file, by their names with ``_`` or ``-``; each is checked."""
        try:
            content = tomllib.loads(file.read_text())
        except FileNotFoundError:
            raise StbenchError(f"Config file '{file}' does not exist.") from None
        except (OSError, ValueError) as error:
            raise StbenchError(f"Config file '{file}' is not readable TOML ({error}).") from error
        given = {key.replace("-", "_"): value for key, value in content.items()}
        try:
            return {name: read(named(cls, name), value) for name, value in given.items()}
        except StbenchError as error:
            raise StbenchError(f"Config file '{file}': {error}") from error


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """The options of ``stbench run``."""

    methods: tuple[str, ...] = option("Names with commas, or all.", (), values.names)
    datasets: tuple[str, ...] = option("Names with commas, or all.", ("all",), values.names)
    out: Path = option("Results folder.", Path("results"), values.path)
    splits: int = option(f"Rotations over genes, 1 to {N_FOLDS}.", 1, values.whole(1, N_FOLDS))
    split_seed: int = option("Seed of the folds of genes.", 0, values.whole(0))
    seeds: int = option("Seeds per method: 0, 1, ...", 1, values.whole(1))
    sweep: Settings = option(
        "method.parameter=a,b,c: one run for each; may be repeated.", {}, values.settings, many=True
    )
    overwrite: str = option(
        "Which runs to make: missing, failed (these too) or all.",
        "missing",
        values.one_of("missing", "failed", "all"),
    )
    emit: str | None = option("slurm: write a job array, start no run.", None, values.one_of("slurm"))
    dry_run: bool = option("Show the runs, start none.", False, values.flag)


@dataclass(frozen=True, kw_only=True)
class ChooseOptions(Options):
    """The options of ``stbench choose``."""

    methods: tuple[str, ...] = option(
        "Names with commas. By default all that need no training.", (), values.names
    )
    out: Path | None = option(
        "Folder for the runs and the tables; the same call goes on from there.", Path("choice"), values.path
    )
    splits: int = option(f"Rotations over genes, 2 to {N_FOLDS}.", 10, values.whole(2, N_FOLDS))


@dataclass(frozen=True, kw_only=True)
class PredictOptions(Options):
    """The options of ``stbench predict``."""

    method: str = option("A method, or best: what stbench choose would say.", "best", values.text)
    methods: tuple[str, ...] = option(
        "To choose the best from. By default all that need no training.", (), values.names
    )
    genes: tuple[str, ...] = option(
        "Names with commas, or all that are absent in space.", ("all",), values.names
    )
    out: Path | None = option("The h5ad file to write.", Path("imputed.h5ad"), values.path)
    work: Path | None = option("Folder to keep the cross-validation in.", None, values.path)
    splits: int = option(f"Rotations for the expected accuracy, 2 to {N_FOLDS}.", 5, values.whole(2, N_FOLDS))


@dataclass(frozen=True, kw_only=True)
class AuditOptions(RunOptions):
    """The options of ``stbench audit``: those of a run on the first split."""

    out: Path = option("Folder for the page, the table and the runs.", Path("audit"), values.path)


def named(cls: type[Options], name: str) -> Field[Any]:
    """The option called ``name``; an error with the closest names where there is none."""
    known = {one.name: one for one in fields(cls)}
    if name not in known:
        raise unknown_name("option", name, known)
    return known[name]


def read(one: Field[Any], value: Any) -> Any:
    """The typed value of an option; `StbenchError` names its flag and says what it takes."""
    if value is None and one.default is None:
        return None
    try:
        return one.metadata["parse"](value)
    except ValueError as error:
        raise StbenchError(f"{flag(one)} {error}.") from error
    except TypeError as error:
        raise StbenchError(f"{flag(one)} does not take '{value!r}'.") from error


def flag(one: Field[Any]) -> str:
    """The flag of an option."""
    return "--" + one.name.replace("_", "-")


def default_of(one: Field[Any]) -> Any:
    """The value of an option that is not given."""
    return {} if one.default is MISSING else one.default
