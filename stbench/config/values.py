"""From what a user writes to a typed value. A function raises ValueError that says what it takes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from stbench.data.limit import Limit

SECONDS = {"s": 1, "m": 60, "h": 3600}

Settings = Mapping[str, Mapping[str, Any]]  # method, parameter, value: text, or already typed


def refuse(takes: str, value: Any) -> ValueError:
    """The error for a value that an option does not take."""
    return ValueError(f"takes {takes}, not '{value}'")


def names(value: str | Iterable[Any]) -> tuple[str, ...]:
    """Names from a text with commas, or from several such texts."""
    texts = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(text, str) for text in texts):
        raise refuse("names", value)
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def path(value: str | Path) -> Path:
    """A path."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise refuse("a path", value)
    return Path(value)


def paths(value: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    """Paths from one, from several, or from a text with commas."""
    if isinstance(value, str):
        value = names(value)
    return tuple(path(part) for part in ([value] if isinstance(value, Path) else value))


def text(value: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise refuse("a text", value)
    return value.strip()


def flag(value: bool) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refuse("true or false", value)
    return value


def whole(low: int, high: int | None = None) -> Callable[[Any], int]:
    """A whole number from ``low``, up to ``high`` where that is given."""
    takes = f"a whole number from {low}" if high is None else f"{low} to {high}"

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
            raise refuse(takes, value)
        if int(value) < low or (high is not None and int(value) > high):
            raise refuse(takes, value)
        return int(value)

    return parse


def one_of(*choices: str) -> Callable[[Any], str]:
    """One of the texts ``choices``."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise refuse(" or ".join(choices), value)
        return str(value)

    return parse


def seconds(value: str | float) -> float:
    """``90s``, ``30m``, ``2h`` or a number of seconds, in seconds."""
    takes = "a time such as 90s, 30m or 2h"
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value).strip())
    if match is None or (isinstance(value, str) and not match.group(2)) or float(match.group(1)) == 0:
        raise refuse(takes, value)
    return float(match.group(1)) * SECONDS.get(match.group(2), 1)


def n_bytes(value: str | int) -> int:
    """``500MB``, ``8GB`` or a number of bytes, in bytes."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    takes = "a size such as 500MB, 8GB or 1.5TB"
    try:
        size = int(TypeAdapter(ByteSize).validate_python(value))
    except ValidationError:
        raise refuse(takes, value) from None
    if size <= 0 or (isinstance(value, str) and value.strip().replace(".", "").isdigit()):
        raise refuse(takes, value)
    return size


def limit(value: str | Limit) -> Limit:
    """A limit, or one written as ``cells=2000,spots=1500``."""
    return value if isinstance(value, Limit) else Limit.parse(value)


def settings(value: str | Iterable[str] | Settings) -> Settings:
    """``["spage.n_pv=30"]`` as ``{"spage": {"n_pv": "30"}}``; a mapping of mappings stays one."""
    if isinstance(value, Mapping):
        for method, parameters in value.items():
            if not isinstance(parameters, Mapping):
                raise refuse("parameter = value under the name of a method", f"{method} = {parameters}")
        return value
    found: dict[str, dict[str, Any]] = {}
    for item in [value] if isinstance(value, str) else list(value):
        target, equals, setting = str(item).partition("=")
        method, dot, parameter = target.strip().partition(".")
        if not (method and equals and dot and parameter):
            raise refuse("method.parameter=value", item)
        found.setdefault(method, {})[parameter] = setting.strip()
    return found


def readings(value: Any) -> list[Any]:
    """What a value of a parameter can mean, in this order: none, TOML, a list without brackets, a text."""
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
        value = lists[0] if lists else [part.strip() for part in value.split(",")]
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [item for i, item in enumerate(values) if item not in values[:i]]
