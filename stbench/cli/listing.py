"""``stbench list``: names of plugins, without importing the packages that a method needs."""

from __future__ import annotations

import inspect
import json
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stbench import method, metric
from stbench.cli.options import DataFolders, Plugins
from stbench.cli.pair_report import show
from stbench.config.variants import NO_PRESET, configure
from stbench.data.sources import catalogue, data_folders, dataset_called


def list_plugins(
    kind: Annotated[Literal["methods", "datasets", "metrics"], typer.Argument(help="What to list.")],
    name: Annotated[str | None, typer.Argument(help="One of them, with all that is known of it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of objects.")] = False,
    data: DataFolders = None,
    plugin: Plugins = None,
) -> None:
    """List methods, datasets or metrics, or show one of them.

    Examples: stbench list methods; stbench list methods spage; stbench list metrics pcc
    """
    if name is not None:
        _one(kind, name, data or [])
        return
    if kind == "datasets":
        rows = _datasets(data or [])
    elif kind == "methods":
        rows = _methods()
    else:
        rows = _metrics()
    print(json.dumps(rows, indent=1) if as_json else _table(rows))


def _one(kind: str, name: str, folders: list[Path]) -> None:
    """Print the documentation of one method or metric, or the card of a dataset."""
    if kind == "datasets":
        show(dataset_called(name, catalogue(data_folders(folders))), as_json=False)
    elif kind == "metrics":
        found = metric.REGISTRY.get(name)
        print(f"{name}: best {found.best}, bounds {found.bounds}, definition {found.definition}\n")
        print(inspect.getdoc(found.function) or "")
    else:
        cls = method.REGISTRY.get(name)
        info = cls.info
        source = f"{info.paper}, {info.link}" if info.link else info.paper
        needs = ", ".join(info.packages) or "nothing more"
        print(f"{name}: {info.family}, version {info.version}. {source}. Needs {needs}.")
        if missing := cls.missing():
            print(f"Not here: it {missing}")
        print(f"\n{inspect.getdoc(cls) or ''}\n")
        presets = [*cls.presets] or [NO_PRESET]
        values = {preset: vars(configure(cls, preset, {})) for preset in presets}
        rows = [{"parameter": "parameter", **{preset: preset for preset in presets}}]
        rows += [
            {"parameter": parameter, **{preset: values[preset][parameter] for preset in presets}}
            for parameter in values[presets[0]]
        ]
        print(_table(rows) if len(rows) > 1 else "It has no parameters.")


def _methods() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "family": cls.info.family,
            "presets": ", ".join(cls.presets),
            "tuned": ", ".join(cls.info.tuned),
            "source": cls.info.paper,
        }
        for name, cls in method.REGISTRY.items().items()
    ]
    return found + [{"name": name, "broken": reason} for name, reason in method.REGISTRY.broken.items()]


def _metrics() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": m.name,
            "best": m.best,
            "bounds": [bound if isfinite(bound) else None for bound in m.bounds],
            "primary": m.primary,
            "definition": m.definition,
        }
        for m in metric.REGISTRY.items().values()
    ]
    return found + [{"name": name, "broken": reason} for name, reason in metric.REGISTRY.broken.items()]


def _datasets(folders: list[Path]) -> list[dict[str, Any]]:
    known = catalogue(data_folders(folders)).values()
    return [
        {
            "name": d.name,
            "available": d.problem is None,
            "tissue": d.card.tissue,
            "note": d.problem or d.card.title,
        }
        for d in known
    ]


def _table(rows: list[dict[str, Any]]) -> str:
    """Rows as plain text with aligned columns, for people and for grep and awk."""
    lines = [
        [row["name"], f"BROKEN: {row['broken']}"] if "broken" in row else list(map(str, row.values()))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    padded = ([f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)
