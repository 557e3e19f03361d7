"""Every option of the commands that run methods, written once: for flags, TOML files and Python.

An object of these classes reads and checks all of its values when it is made; afterwards they are typed.
"""

from __future__ import annotations

import functools
import inspect
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_type_hints

from annotated_types import Ge, Interval, MinLen

from stbench.config import values
from stbench.config.values import Settings
from stbench.data.limit import Limit
from stbench.data.split import N_FOLDS
from stbench.errors import StbenchError, unknown_name

_FLAG = re.compile(r"--([a-z][a-z-]+)")

Positive = Annotated[int, Ge(1)]
Text = Annotated[str, MinLen(1)]
Parser = Callable[[Any], Any]
T = TypeVar("T")


def option(help: str, default: Any, parse: Parser | None = None, *, many: bool = False) -> Any:
    """A field that is an option. With ``many``, its flag may be repeated.

    ``parse`` makes its value typed; without it, the value is read as the type of the field.
    """
    return field(default=default, metadata={"help": help, "parse": parse, "many": many})


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """The options of all commands that read datasets."""

    data: tuple[Path, ...] = option("Folder of datasets; also $STBENCH_DATA.", (), values.paths, many=True)
    match_genes: bool = option("Match names of genes that differ in writing only.", False)
    min_genes: Annotated[int, Ge(0)] | None = option(
        "Detected genes that a cell must have. By default 500, or 1 where the reference is a panel.", None
    )
    sections: Text | None = option("Column of the spatial obs with the section of each spot, or one.", None)
    limit: Limit = option("cells=N,spots=N,genes=N: a seeded subsample.", Limit(), Limit.parse)
    plugin: tuple[Path, ...] = option(
        "Python file or card (.toml) with further plugins.", (), values.paths, many=True
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, read(type(self), one, getattr(self, one.name)))

    @property
    def rules(self) -> dict[str, Any]:
        """How tables are read, under the names of `stbench.dataset.Card`."""
        return {name: getattr(self, name) for name in ("match_genes", "min_genes", "sections")}

    @classmethod
    def of(cls, *sources: Mapping[str, Any]) -> Self:
        """The options in ``sources``; a later source wins, and an unknown name is an error."""
        merged = {named(cls, name).name: value for source in sources for name, value in source.items()}
        return cls(**merged)

    @classmethod
    def in_file(cls, file: Path) -> dict[str, Any]:
        """The options in a TOML file, checked; names may have ``_`` or ``-``."""
        try:
            content = tomllib.loads(file.read_text())
        except FileNotFoundError:
            raise StbenchError(f"Config file '{file}' does not exist.") from None
        except (OSError, ValueError) as error:
            raise StbenchError(f"Config file '{file}' is not readable TOML ({error}).") from error
        given = {key.replace("-", "_"): value for key, value in content.items()}
        try:
            return {name: read(cls, named(cls, name), value) for name, value in given.items()}
        except StbenchError as error:
            raise StbenchError(f"Config file '{file}': {error}") from error


@dataclass(frozen=True, kw_only=True)
class Options(DataOptions):
    """The options of all commands that run methods: parameters, and where and how the methods run."""

    preset: Literal["cpu", "paper"] | None = option(
        "cpu or paper: size of the models. By default paper on a GPU, else cpu.", None
    )
    set: Settings = option("method.parameter=value; may be repeated.", (), values.settings, many=True)
    device: Text = option("auto, cpu, cuda or cuda:i.", "auto")
    jobs: Positive | None = option("Runs at the same time. By default one per core.", None)
    threads: Positive | None = option("Threads per run. By default cores / jobs.", None)
    timeout: float | None = option("Kill a run after 90s, 30m or 2h.", None, values.seconds)
    memory_limit: int | None = option(
        "Kill a run that uses more, for example 8GB. By default 90 % of the machine.", None, values.n_bytes
    )
    memory_budget: int | None = option(
        "Estimated memory of all runs at one time. By default 90 % of the machine.", None, values.n_bytes
    )
    disk_limit: int = option("Kill a run that writes more to disk.", 20 * 10**9, values.n_bytes)
    isolation: Literal["auto", "fork", "spawn"] = option(
        "auto, fork or spawn: how the process of a run starts. auto is fork on Linux, spawn elsewhere.",
        "auto",
    )
    quiet: bool = option("Show no progress and no messages; results and errors remain.", False)
    verbose: bool = option("A line for every start, progress and end of a run.", False)
    executor: Literal["local", "dask"] = option("local or dask.", "local")
    scheduler: Text | None = option("Address or scheduler file of a Dask cluster.", None)
    cluster: Path | None = option("TOML file of a cluster for dask-jobqueue.", None, values.path)
    shared: Path | None = option("Folder that all Dask workers see.", None, values.path)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quiet and self.verbose:
            raise StbenchError("--quiet and --verbose exclude each other. Leave one of them out.")
        if self.executor == "local":
            for name in ("scheduler", "cluster", "shared"):
                if getattr(self, name) is not None:
                    raise StbenchError(f"--{name} needs --executor dask.")


@dataclass(frozen=True, kw_only=True)
class ExportOptions(DataOptions):
    """The options of ``stbench export``."""

    datasets: tuple[str, ...] = option("Names with commas, or all.", ("all",), values.names)
    out: Path = option("New folder for the tasks.", Path("tasks"), values.path)
    splits: Annotated[int, Interval(ge=1, le=N_FOLDS)] = option(f"Rotations over genes, 1 to {N_FOLDS}.", 1)
    split_seed: Annotated[int, Ge(0)] = option("Seed of the folds of genes.", 0)
    tables: Literal["h5ad", "text"] = option("h5ad (AnnData) or text (MatrixMarket and CSV).", "h5ad")


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """The options of ``stbench run``."""

    methods: tuple[str, ...] = option("Names with commas, or all.", (), values.names)
    datasets: tuple[str, ...] = option("Names with commas, or all.", ("all",), values.names)
    out: Path = option("Results folder.", Path("results"), values.path)
    splits: Annotated[int, Interval(ge=1, le=N_FOLDS)] = option(f"Rotations over genes, 1 to {N_FOLDS}.", 1)
    split_seed: Annotated[int, Ge(0)] = option("Seed of the folds of genes.", 0)
    seeds: Positive = option("Seeds per method: 0, 1, ...", 1)
    sweep: Settings = option(
        "method.parameter=a,b,c: one run for each; may be repeated.", (), values.settings, many=True
    )
    overwrite: Literal["missing", "failed", "all"] = option(
        "Which runs to do: missing ones, failed (failed ones too) or all.", "missing"
    )
    emit: Literal["slurm"] | None = option("slurm: write a job array, start no run.", None)
    dry_run: bool = option("Show the runs, start none.", False)


@dataclass(frozen=True, kw_only=True)
class ChooseOptions(Options):
    """The options of ``stbench choose``."""

    methods: tuple[str, ...] = option(
        "Names with commas. By default all that need no training.", (), values.names
    )
    out: Path | None = option(
        "Folder for runs and tables; the same call continues there.", Path("choice"), values.path
    )
    splits: Annotated[int, Interval(ge=2, le=N_FOLDS)] = option(f"Rotations over genes, 2 to {N_FOLDS}.", 10)


@dataclass(frozen=True, kw_only=True)
class PredictOptions(Options):
    """The options of ``stbench predict``."""

    method: Text = option("A method, or best: the one that stbench choose finds.", "best")
    methods: tuple[str, ...] = option(
        "Methods among which to choose. By default all that need no training.", (), values.names
    )
    genes: tuple[str, ...] = option(
        "Names with commas, or all that are not measured in space.", ("all",), values.names
    )
    out: Path | None = option("The h5ad file to write.", Path("imputed.h5ad"), values.path)
    work: Path | None = option("Folder to keep the cross-validation in.", None, values.path)
    splits: Annotated[int, Interval(ge=2, le=N_FOLDS)] = option(
        f"Rotations for the expected accuracy, 2 to {N_FOLDS}.", 5
    )


@dataclass(frozen=True, kw_only=True)
class AuditOptions(RunOptions):
    """The options of ``stbench audit``, which runs on the first split."""

    out: Path = option("Folder for the page, the table and the runs.", Path("audit"), values.path)


def named(cls: type[DataOptions], name: str) -> Field[Any]:
    """The option called ``name``; `StbenchError` names the closest ones if there is none."""
    known = {one.name: one for one in fields(cls)}
    if name not in known:
        raise unknown_name("option", name, known)
    return known[name]


def read(cls: type[DataOptions], one: Field[Any], value: Any) -> Any:
    """The typed value of an option; `StbenchError` names its flag and the values that it takes."""
    kind = get_type_hints(cls, include_extras=True)[one.name]
    if value is None and type(None) in get_args(kind):
        return None
    parse = one.metadata["parse"] or values.of_type(kind)
    try:
        return parse(value)
    except ValueError as error:
        raise StbenchError(f"{flag(one)} {error}.") from error
    except TypeError as error:
        raise StbenchError(f"{flag(one)} does not take '{value!r}'.") from error


def flag(one: Field[Any]) -> str:
    """The flag of an option."""
    return "--" + one.name.replace("_", "-")


def takes(options: type[DataOptions], *positional: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Decorator: the function gets ``options`` first, made from the keywords that its caller gives.

    The signature shows every option with its default, behind the function's own parameters; the docstring
    lists the options. Those named ``positional`` may also be given by position. A parameter of the function
    takes the place of an option of the same name. An unknown name is a `StbenchError` with the closest names.
    """

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        own = list(inspect.signature(function).parameters.values())[1:]
        taken = {parameter.name for parameter in own}
        known = {one.name: one for one in fields(options) if one.name not in taken}
        kinds = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        shown = [
            inspect.Parameter(name, kinds[name in positional], default=one.default, annotation=one.type)
            for name, one in known.items()
        ]
        parameters = sorted([*own, *shown], key=lambda parameter: parameter.kind)
        signature = inspect.signature(function).replace(parameters=parameters)

        @functools.wraps(function)
        def call(*args: Any, **given: Any) -> T:
            for name in given:
                if name not in signature.parameters:
                    raise unknown_name("option", name, signature.parameters)
            arguments = signature.bind(*args, **given).arguments
            chosen = {name: arguments.pop(name) for name in known if name in arguments}
            try:
                return function(options.of(chosen), **arguments)
            except StbenchError as error:  # its text is that of the command line
                error.args = (_FLAG.sub(lambda flag: _parameter(flag, known), str(error)),)
                raise

        call.__signature__ = signature  # type: ignore[attr-defined]  # what help() and editors show
        lines = "\n".join(f"{name}\n    {one.metadata['help']}" for name, one in known.items())
        call.__doc__ = f"{inspect.getdoc(function) or ''}\n\nOptions\n-------\n{lines}\n"
        return call

    return decorate


def _parameter(flag: re.Match[str], known: Mapping[str, Any]) -> str:
    """The parameter of a flag; the flag itself where there is no such parameter."""
    name = flag[1].replace("-", "_")
    return name if name in known else flag[0]
