"""Commands whose flags are options, as `stbench.config.options` defines them; flags of several commands."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from stbench import method
from stbench.config import values
from stbench.config.options import DataOptions, Options, Positive, flag
from stbench.data.sources import catalogue, data_folders
from stbench.plugins import load_plugin


def _method_names(incomplete: str) -> list[str]:
    return [name for name in method.REGISTRY.items() if name.startswith(incomplete)]


def _load(files: list[Path] | None) -> None:
    for file in files or []:
        load_plugin(file)


ConfigFile = Annotated[Path | None, typer.Option(help="TOML file with these options; flags win.")]
ResultsFolder = Annotated[Path, typer.Argument(help="Results folder: the --out of stbench run.")]
DataFolders = Annotated[
    list[Path] | None, typer.Option("--data", help="Folder of datasets; also $STBENCH_DATA.")
]
IncludeSubmitted = Annotated[
    bool,
    typer.Option("--include-submitted", help="Rank rows run elsewhere with the measured ones."),
]
Plugins = Annotated[  # loaded as the flag is read, before the command starts
    list[Path] | None,
    typer.Option("--plugin", callback=_load, help="Python file or card (.toml) with further plugins."),
]

MethodName = Annotated[str, typer.Argument(help="A method.", autocompletion=_method_names)]

PANELS = {  # of the options of every command that runs methods
    **dict.fromkeys(("data", "limit", "match_genes", "min_genes", "sections"), "Data"),
    **dict.fromkeys(("preset", "set", "plugin"), "Methods"),
    **dict.fromkeys(("device", "jobs", "threads", "isolation"), "Processes"),
    **dict.fromkeys(("timeout", "memory_limit", "memory_budget", "disk_limit"), "Limits"),
    **dict.fromkeys(("quiet", "verbose"), "Messages"),
    **dict.fromkeys(("executor", "scheduler", "cluster", "shared"), "Clusters"),
}


def takes(options: type[DataOptions], *left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: the command gets ``options`` first, made from its flags and its ``--config`` file.

    Flags are read as text, and the options give them types. Options in ``left_out`` have no flag.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        keyword = inspect.Parameter.KEYWORD_ONLY
        signature = inspect.signature(function, eval_str=True)
        own = [parameter.replace(kind=keyword) for parameter in list(signature.parameters.values())[1:]]
        own_first = sorted(fields(options), key=lambda one: one in fields(Options))
        types = get_type_hints(options, include_extras=True)
        flags = {one.name: _annotation(one, types[one.name]) for one in own_first if one.name not in left_out}
        flags["config"] = ConfigFile
        parameters = [*own]
        for name, annotation in flags.items():
            parameters.append(inspect.Parameter(name, keyword, default=None, annotation=annotation))

        @functools.wraps(function)
        def command(*, config: Path | None, **given: Any) -> None:
            others = {parameter.name: given.pop(parameter.name) for parameter in own}
            chosen = {name: value for name, value in given.items() if value not in (None, [])}
            made = options.of(options.in_file(config) if config else {}, chosen)
            if isinstance(made, Options) and made.quiet:
                logging.getLogger("stbench").setLevel(logging.WARNING)
            function(made, **others)

        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # for typer
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _annotation(one: Field[Any], kind: Any) -> Any:
    """The flag of an option of type ``kind`` for typer: read as text, with its help and what it takes."""
    help, panel = one.metadata["help"], PANELS.get(one.name)
    if one.default is False:
        return Annotated[bool | None, typer.Option(flag(one), help=help, rich_help_panel=panel)]
    if default := _shown(one):
        help += rf" \[default: {default}]"
    text = list[str] if one.metadata["many"] else str
    shown = typer.Option(
        flag(one),
        help=help,
        show_default=False,
        rich_help_panel=panel,
        metavar=_metavar(one, kind),
        autocompletion=_completer(one.name, kind),
    )
    return Annotated[text | None, shown]


def _shown(one: Field[Any]) -> str:
    """The default of an option as one would type it; empty where there is none."""
    if one.metadata["parse"] is values.n_bytes and isinstance(one.default, int):
        return f"{one.default / 1e9:g}GB"
    return ",".join(map(str, one.default)) if isinstance(one.default, tuple) else str(one.default or "")


def _words(kind: Any) -> tuple[str, ...]:
    """The words of a choice; empty for another type."""
    parts = kind, *get_args(kind)
    return next((get_args(part) for part in parts if get_origin(part) is Literal), ())


def _completer(name: str, kind: Any) -> Callable[[str], list[str]] | None:
    """What the shell completes an option to; of names with commas, the last one."""
    known = {
        "methods": lambda: [*method.REGISTRY.items(), "all"],
        "method": lambda: [*method.REGISTRY.items(), "best"],
        "datasets": lambda: [*catalogue(data_folders([])), "all"],
    }.get(name, lambda: _words(kind))
    if name not in ("methods", "method", "datasets") and not _words(kind):
        return None

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{word}" for word in known() if word.startswith(last)]

    return complete


def _metavar(one: Field[Any], kind: Any) -> str:
    """What an option takes: the words of a choice, N for a number, or its own name."""
    if words := _words(kind):
        return "|".join(words)
    parts = [part for part in (kind, *get_args(kind)) if part is not type(None)]
    if any(part is int or part is Positive or int in get_args(part) for part in parts):
        return "SIZE" if one.metadata["parse"] is values.n_bytes else "N"
    known = {"timeout": "TIME", "memory_limit": "SIZE", "plugin": "FILE", "cluster": "FILE", "data": "FOLDER"}
    known |= {"out": "PATH", "shared": "FOLDER", "work": "FOLDER", "set": "SETTING", "sweep": "SETTING"}
    return known.get(one.name, one.name.upper().replace("_", "-"))
