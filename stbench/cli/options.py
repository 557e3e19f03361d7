"""Commands whose flags are options, as `stbench.config.options` defines them; flags of several commands."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from stbench.config.options import Options, flag
from stbench.plugins import load_plugin


def _load(files: list[Path] | None) -> None:
    for file in files or []:
        load_plugin(file)


ConfigFile = Annotated[Path | None, typer.Option(help="TOML file with these options; flags win.")]
ResultsFolder = Annotated[Path, typer.Argument(help="Results folder: the --out of stbench run.")]
DataFolders = Annotated[
    list[Path] | None, typer.Option("--data", help="Folder of datasets; also $STBENCH_DATA.")
]
Plugins = Annotated[  # loaded as the flag is read, before the command starts
    list[Path] | None,
    typer.Option("--plugin", callback=_load, help="Python file or card (.toml) with further plugins."),
]


def takes(options: type[Options], *left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: the command gets ``options`` first, made from its flags and its ``--config`` file.

    Flags are read as text, and the options give them types. Options in ``left_out`` have no flag.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        keyword = inspect.Parameter.KEYWORD_ONLY
        signature = inspect.signature(function, eval_str=True)
        own = [parameter.replace(kind=keyword) for parameter in list(signature.parameters.values())[1:]]
        own_first = sorted(fields(options), key=lambda one: one in fields(Options))
        flags = {one.name: _annotation(one) for one in own_first if one.name not in left_out}
        flags["config"] = ConfigFile
        parameters = [*own]
        for name, annotation in flags.items():
            parameters.append(inspect.Parameter(name, keyword, default=None, annotation=annotation))

        @functools.wraps(function)
        def command(*, config: Path | None, **given: Any) -> None:
            others = {parameter.name: given.pop(parameter.name) for parameter in own}
            chosen = {name: value for name, value in given.items() if value not in (None, [])}
            function(options.of(options.in_file(config) if config else {}, chosen), **others)

        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # for typer
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _annotation(one: Field[Any]) -> Any:
    """The type of a flag for typer, with its help."""
    help = one.metadata["help"]
    if one.default is False:
        return Annotated[bool | None, typer.Option(flag(one), help=help)]
    default = ",".join(map(str, one.default)) if isinstance(one.default, tuple) else str(one.default or "")
    shown = f"{help}  [default: {default}]" if default else help
    kind = list[str] if one.metadata["many"] else str
    return Annotated[kind | None, typer.Option(flag(one), help=shown, show_default=False)]
