"""Turns what a user writes into a typed value; ValueError names the values that an option takes."""

from __future__ import annotations

import csv
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

SECONDS = {"s": 1, "m": 60, "h": 3600}
BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
BYTES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}

Settings = Mapping[str, Mapping[str, Any]]  # method, parameter, value: text, or already typed


def require(right: bool, takes: str, value: Any) -> None:
    """Raise ValueError, which names what the option ``takes``, unless ``value`` is right."""
    if not right:
        raise ValueError(f"takes {takes}, not '{value}'")


def names(value: str | Iterable[Any]) -> tuple[str, ...]:
    """Names from a text with commas, or each one on its own.

    A name with a comma in a text is quoted, unless the text is the path of a folder.
    """
    if isinstance(value, str) and "," in value and os.path.isdir(value):
        value = [value]
    elif isinstance(value, str):
        try:
            value = next(csv.reader([value], skipinitialspace=True), [])
        except csv.Error as error:  # a line break
            raise ValueError(f"takes names with commas, not '{value}' ({error})") from error
    texts = list(value)
    require(all(isinstance(text, str) for text in texts), "names", value)
    return tuple(text.strip() for text in texts if text.strip())


def path(value: str | Path) -> Path:
    """A path."""
    require(isinstance(value, str | Path) and str(value) != "" and "\0" not in str(value), "a path", value)
    return Path(value)


def paths(value: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    """Paths from one, from several, or from a text with commas."""
    if isinstance(value, str):
        value = names(value)
    return tuple(path(part) for part in ([value] if isinstance(value, Path) else value))


def of_type(kind: Any) -> Callable[[Any], Any]:
    """A parser of the values that pydantic reads as ``kind``; true and false are not numbers."""

    def parse(value: Any) -> Any:
        from pydantic import TypeAdapter, ValidationError

        try:
            found = TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            raise ValueError(f"does not take '{value}': {error.errors()[0]['msg']}") from error
        if isinstance(value, bool) and not isinstance(found, bool):
            raise ValueError(f"does not take '{value}': Input should not be true or false")
        return found

    return parse


def _amount(units: Mapping[str, int], takes: str, value: str | float) -> float:
    """A positive number with one of ``units``; a number that is not text needs none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip().lower())
    if match is None or float(match[1]) == 0 or (match[2] in units) != isinstance(value, str):
        raise ValueError(f"takes {takes}, not '{value}'")
    return float(match[1]) * units.get(match[2], 1)


def seconds(value: str | float) -> float:
    """``90s``, ``30m``, ``2h`` or a number of seconds, in seconds."""
    return _amount(SECONDS, "a time such as 90s, 30m or 2h", value)


def n_bytes(value: str | int) -> int:
    """``500MB``, ``8GB`` or a number of bytes, in bytes."""
    return int(_amount(BYTES, "a size such as 500MB, 8GB or 1.5TB", value))


def settings(value: str | Iterable[str] | Settings) -> Settings:
    """``["spage.n_pv=30"]`` as ``{"spage": {"n_pv": "30"}}``; a mapping of mappings stays as it is."""
    if isinstance(value, Mapping):
        for method, parameters in value.items():
            takes = "parameter = value under the name of a method"
            require(isinstance(parameters, Mapping), takes, f"{method} = {parameters}")
        return value
    found: dict[str, dict[str, Any]] = {}
    for item in [value] if isinstance(value, str) else list(value):
        target, equals, setting = str(item).partition("=")
        method, dot, parameter = target.strip().partition(".")
        require(bool(method and equals and dot and parameter), "method.parameter=value", item)
        found.setdefault(method, {})[parameter] = setting.strip()
    return found


def readings(value: Any) -> list[Any]:
    """All readings of a parameter's value, in this order: none, TOML, a list without brackets, a text."""
    if not isinstance(value, str):
        return [value]
    found: list[Any] = [None] if value.lower() == "none" else []
    for literal in (value, f"[{value}]"):
        try:
            found.append(tomllib.loads(f"value = {literal}")["value"])
        except ValueError:
            continue
    return [*found, value]


def swept(value: Any) -> list[Any]:
    """The values of ``"1,2"``, ``"[6,30],[6]"`` or of a list, each once."""
    if isinstance(value, str):
        lists = [reading for reading in readings(f"[{value}]") if isinstance(reading, list)]
        incomplete = value.rstrip().endswith(",")  # TOML allows it, but here a value is missing
        value = lists[0] if lists and not incomplete else [part.strip() for part in value.split(",")]
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [item for i, item in enumerate(values) if item not in values[:i]]
