"""From ``--preset`` and ``--set method.param=value`` to a configured method."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from stbench.errors import StbenchError, unknown_name
from stbench.method import REGISTRY, Method

NO_PRESET = "default"


def parse_settings(texts: Iterable[str], option: str = "--set") -> dict[str, dict[str, str]]:
    """``["spage.n_pv=30"]`` as ``{"spage": {"n_pv": "30"}}``."""
    settings: dict[str, dict[str, str]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        method, dot, parameter = target.strip().partition(".")
        if not (equals and dot and parameter):
            raise StbenchError(f"{option} takes method.parameter=value, not '{text}'.")
        settings.setdefault(method, {})[parameter] = value.strip()
    return settings


def variants(
    methods: Iterable[str], settings: Mapping[str, Mapping[str, str]], sweep: Mapping[str, Mapping[str, str]]
) -> dict[str, list[dict[str, str]]]:
    """For every method the settings to run it with: ``settings`` and each combination of the swept values.

    ``sweep`` holds values with commas, ``{"causalged": {"depth": "1,2,3"}}``. Raises `StbenchError` for a
    method that is not part of the grid.
    """
    methods = list(methods)
    for option, named in (("--set", settings), ("--sweep", sweep)):
        for name in named:
            if name not in methods:
                known = ", ".join(methods)
                raise StbenchError(
                    f"{option} {name}.…: '{name}' is not among the methods of this run ({known})."
                )
    return {
        name: [
            {**settings.get(name, {})} | dict(zip(sweep.get(name, {}), values, strict=True))
            for values in itertools.product(*(_values(text) for text in sweep.get(name, {}).values()))
        ]
        for name in methods
    }


def _values(text: str) -> list[str]:
    """The values of ``"1, 2"`` in their order, each once; an empty text is one empty value, refused later."""
    return list(dict.fromkeys(part.strip() for part in text.split(",")))


def choose_preset(cls: type[Method], asked: str | None, device: str) -> str:
    """The preset to use: the one asked for, else ``cpu`` or ``paper`` by device; `NO_PRESET` without any."""
    if not cls.presets:
        return NO_PRESET
    preset = asked or ("paper" if device.startswith("cuda") else "cpu")
    if preset not in cls.presets:
        raise unknown_name(f"preset of '{cls.info.name}'", preset, cls.presets)
    return preset


def configure(cls: type[Method], preset: str, settings: Mapping[str, Any]) -> Method:
    """The method with its preset and then ``settings`` applied; names and types are checked."""
    from pydantic import TypeAdapter, ValidationError

    name = cls.info.name
    hints = typing.get_type_hints(cls)
    known = [field.name for field in fields(cls)]
    values = dict(cls.presets.get(preset, {}))
    for key, value in settings.items():
        if key not in known:
            raise unknown_name(f"parameter of '{name}'", key, known)
        try:
            values[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            raise StbenchError(f"--set {name}.{key}={value}: {error.errors()[0]['msg']}.") from error
    return cls(**values)


def label(method: Method, preset: str) -> str:
    """How a table calls this method: its name, with the parameters that differ from the preset's."""
    standard = asdict(configure(type(method), preset, {}))
    changed = ",".join(f"{key}={value}" for key, value in asdict(method).items() if value != standard[key])
    return f"{method.info.name}({changed})" if changed else method.info.name


def select_methods(names: Iterable[str]) -> list[type[Method]]:
    """The registered classes called ``names``; ``all`` is every one that lacks nothing on this machine."""
    wanted = list(dict.fromkeys(names))
    if wanted == ["all"]:
        return [cls for cls in REGISTRY.items().values() if not cls.missing()]
    return [REGISTRY.get(name) for name in wanted]
