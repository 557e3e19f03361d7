"""Python functions whose parameters are options, as `stbench.config.options` defines them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from stbench.config.options import Options
from stbench.errors import unknown_name

T = TypeVar("T")


def takes(options: type[Options], *positional: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Decorator: the function gets ``options`` first, made from the keywords that its caller gives.

    The signature shows every option with its default, behind the function's own parameters; the docstring
    lists the options. Those named ``positional`` may also be given by position. An unknown name is a
    `StbenchError` with the closest names.
    """

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        own = list(inspect.signature(function).parameters.values())[1:]
        known = {one.name: one for one in fields(options)}
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
            return function(options.of(chosen), **arguments)

        call.__signature__ = signature  # type: ignore[attr-defined]  # what help() and editors show
        lines = "\n".join(f"{name}\n    {one.metadata['help']}" for name, one in known.items())
        call.__doc__ = f"{inspect.getdoc(function) or ''}\n\nOptions\n-------\n{lines}\n"
        return call

    return decorate
