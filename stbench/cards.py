"""Reads cards (TOML files that describe a dataset or an external method) into checked dataclasses.

Pydantic would take longer to import than the whole of ``stbench list methods``, which reads cards.
"""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from stbench.errors import StbenchError, unknown_name

T = TypeVar("T")
WORDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def read_card(file: Path, cls: type[T], **given: Any) -> T:
    """The card in ``file`` as an object of the dataclass ``cls``; ``given`` fields replace those of the file.

    The type hints of ``cls`` may use ``str``, ``int``, ``float``, ``bool``, ``list[...]``,
    ``dict[str, ...]``, ``Literal``, a ``TypedDict``, and unions of them. Raises `StbenchError` where the file
    is not TOML, or where a field is unknown, missing or of another type; the message names both.
    """
    try:
        content = tomllib.loads(file.read_text()) | given
    except (OSError, ValueError, RecursionError) as error:
        raise StbenchError(f"Card '{file}' is not readable TOML ({error}).") from error
    hints = get_type_hints(cls)
    for name, value in content.items():
        if name not in hints:
            raise StbenchError(f"Card '{file}': {unknown_name('field', name, hints)}")
        try:
            _check(name, value, hints[name])
        except StbenchError as error:
            raise StbenchError(f"Card '{file}', {error}") from None
    for field in fields(cls):  # type: ignore[arg-type]  # T is a dataclass, which a TypeVar cannot express
        if field.default is MISSING and field.default_factory is MISSING and not content.get(field.name):
            raise StbenchError(f"Card '{file}' has no '{field.name}'.")
    return cls(**content)


def _check(name: str, value: Any, hint: Any) -> None:
    """Raise `StbenchError` where ``value``, the content of the field ``name``, does not fit ``hint``."""
    union = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in union if kind is not NoneType]  # TOML has no null
    container, inner = get_origin(kinds[0]) or kinds[0], get_args(kinds[0])
    if container is Literal:
        if value not in inner:
            raise StbenchError(f"field '{name}': {unknown_name('value', str(value), inner)}")
    elif is_typeddict(container) and isinstance(value, dict):
        hints = get_type_hints(container)
        for key in value:
            if key not in hints:
                raise StbenchError(f"field '{name}': {unknown_name('field', key, hints)}")
        for key, inner_hint in hints.items():
            if key not in value:
                raise StbenchError(f"field '{name}' has no '{key}'.")
            _check(f"{name}.{key}", value[key], inner_hint)
    elif container is dict and isinstance(value, dict):
        for key, entry in value.items():
            _check(f"{name}.{key}", entry, inner[1])
    elif container is list and isinstance(value, list):
        for entry in value:
            _check(name, entry, inner[0])
    elif type(value) not in kinds and not (type(value) is int and float in kinds):
        expected = " or ".join(
            WORDS[dict if is_typeddict(kind) else get_origin(kind) or kind] for kind in kinds
        )
        raise StbenchError(f"field '{name}': {expected} is expected, not {value!r}.")
