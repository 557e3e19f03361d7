"""Turns ``--methods``, ``--set`` and ``--sweep`` into methods with typed parameters."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from stbench.config.values import Settings, of_type, readings, swept
from stbench.errors import StbenchError, unknown_name
from stbench.method import REGISTRY, Method

NO_PRESET = "default"


@dataclass(frozen=True)
class Variant:
    """A method and the parameters that the user set, typed; the device decides the preset later."""

    cls: type[Method]
    parameters: dict[str, Any]


def variants(methods: Iterable[type[Method]], set: Settings, sweep: Settings | None = None) -> list[Variant]:
    """The methods with the parameters of ``set`` and each combination of the swept values.

    Raises `StbenchError` for a method that is not among ``methods``, a parameter that it does not have, and a
    value of the wrong type.
    """
    classes = {cls.info.name: cls for cls in methods}
    sweep = sweep or {}
    for flag, name in [*(("--set", name) for name in set), *(("--sweep", name) for name in sweep)]:
        if name not in classes:
            known = ", ".join(classes)
            raise StbenchError(f"{flag} {name}.…: '{name}' is not among the methods of this call ({known}).")
    found = []
    for name, cls in classes.items():
        ranges = {key: [value] for key, value in set.get(name, {}).items()}
        ranges |= {key: swept(values) for key, values in sweep.get(name, {}).items()}
        typed_ranges = [[typed(cls, key, value) for value in values] for key, values in ranges.items()]
        for combination in itertools.product(*typed_ranges):
            found.append(Variant(cls, dict(zip(ranges, combination, strict=True))))
    return found


def typed(cls: type[Method], parameter: str, value: Any) -> Any:
    """The value of a parameter with the type that the method declares; `readings` of a text are tried."""
    name, known = cls.info.name, [one.name for one in fields(cls)]
    if parameter not in known:
        raise unknown_name(f"parameter of '{name}'", parameter, known)
    parse = of_type(typing.get_type_hints(cls)[parameter])
    for reading in readings(value):
        try:
            return parse(reading)
        except ValueError as error:
            reason = error
    raise StbenchError(f"--set {name}.{parameter} {reason}.")


def choose_preset(cls: type[Method], requested: str | None, device: str) -> str:
    """The preset requested, or ``cpu`` or ``paper`` by device; `NO_PRESET` for methods without presets."""
    if not cls.presets:
        return NO_PRESET
    preset = requested or ("paper" if device.startswith("cuda") else "cpu")
    if preset not in cls.presets:
        raise unknown_name(f"preset of '{cls.info.name}'", preset, cls.presets)
    return preset


def configure(cls: type[Method], preset: str, parameters: Mapping[str, Any]) -> Method:
    """The method with its preset and then ``parameters`` applied; names and types are checked."""
    given = {key: typed(cls, key, value) for key, value in parameters.items()}
    return cls(**{**cls.presets.get(preset, {}), **given})


def parameter_table(cls: type[Method]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of a table of all parameters, with their values in each preset."""
    presets = [*cls.presets] or [NO_PRESET]
    methods = [configure(cls, preset, {}) for preset in presets]
    rows = [[field.name, *(str(getattr(one, field.name)) for one in methods)] for field in fields(methods[0])]
    return ["parameter", *presets], rows


def label(method: Method, preset: str) -> str:
    """The name of this method in a table, with the parameters that differ from the preset's."""
    standard = asdict(configure(type(method), preset, {}))
    changed = ",".join(f"{key}={value}" for key, value in asdict(method).items() if value != standard[key])
    return f"{method.info.name}({changed})" if changed else method.info.name


def select_methods(names: Iterable[str]) -> list[type[Method]]:
    """The registered classes called ``names``; ``all`` are those that can run on this machine."""
    requested = list(dict.fromkeys(names))
    if requested == ["all"]:
        return [cls for cls in REGISTRY.items().values() if not cls.missing()]
    return [REGISTRY.get(name) for name in requested]
