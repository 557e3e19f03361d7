"""Commands whose flags are options, as `stbench.config.options` defines them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from stbench.config.options import Options, default_of, flag

ConfigFile = Annotated[Path | None, typer.Option(help="TOML file with these options; flags win.")]


def takes(options: type[Options], *left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: the command gets ``options`` first, made from its flags and its ``--config`` file.

    Flags are read as text; the options say what they mean. ``left_out`` names options without a flag.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        known = [one for one in _own_first(options) if one.name not in left_out]
        keyword = inspect.Parameter.KEYWORD_ONLY
        flags = [
            inspect.Parameter(one.name, keyword, default=None, annotation=_annotation(one)) for one in known
        ]
        config = inspect.Parameter("config", keyword, default=None, annotation=ConfigFile)
        own = [parameter.replace(kind=keyword) for parameter in own]

        @functools.wraps(function)
        def command(*, config: Path | None, **given: Any) -> None:
            others = {parameter.name: given.pop(parameter.name) for parameter in own}
            flags = {name: value for name, value in given.items() if value not in (None, [])}
            sources = [options.in_file(config)] if config else []
            function(options.of(*sources, flags), **others)

        parameters = [*own, *flags, config]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # for typer
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _own_first(options: type[Options]) -> list[Field[Any]]:
    """The options of a command, those that it does not share first."""
    shared = [one.name for one in fields(Options)]
    return sorted(fields(options), key=lambda one: one.name in shared)


def _annotation(one: Field[Any]) -> Any:
    default = default_of(one)
    if default is False:
        return Annotated[bool | None, typer.Option(flag(one), help=one.metadata["help"])]
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default or "")
    shown = f"{one.metadata['help']}  [default: {text}]" if text else one.metadata["help"]
    kind = list[str] if one.metadata["many"] else str
    return Annotated[kind | None, typer.Option(flag(one), help=shown, show_default=False)]
