"""From ``--preset`` and ``--set method.param=value`` to a configured method."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from stbench.errors import StbenchError, unknown_name
from stbench.methods import REGISTRY, Method

NO_PRESET = "default"


def parse_settings(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """``["spage.n_pv=30"]`` as ``{"spage": {"n_pv": "30"}}``."""
    settings: dict[str, dict[str, Any]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        method, dot, parameter = target.strip().partition(".")
        if not (equals and dot and parameter):
            raise StbenchError(f"--set takes method.parameter=value, not '{text}'.")
        settings.setdefault(method, {})[parameter] = value.strip()
    return settings


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


def label(method: Method, settings: Mapping[str, Any]) -> str:
    """How a table calls this method: its name, with the parameters that were set by hand."""
    values = asdict(method)
    changed = ",".join(f"{key}={values[key]}" for key in sorted(settings))
    return f"{method.info.name}({changed})" if changed else method.info.name


def select_methods(names: Iterable[str]) -> list[type[Method]]:
    """The registered classes called ``names``; ``all`` is every working one."""
    wanted = list(dict.fromkeys(names))
    if wanted == ["all"]:
        return list(REGISTRY.items().values())
    return [REGISTRY.get(name) for name in wanted]
