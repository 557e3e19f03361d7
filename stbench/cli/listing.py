"""``stbench list``: what there is, without importing what a method needs."""

from __future__ import annotations

import json
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer


class Kind(StrEnum):
    """What can be listed."""

    methods = "methods"
    datasets = "datasets"
    metrics = "metrics"


def list_plugins(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of objects.")] = False,
    data: Annotated[list[Path] | None, typer.Option(help="Folder of datasets (as in run).")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with further plugins.")] = None,
) -> None:
    """List methods, datasets or metrics. Example: stbench list methods"""
    from stbench.plugins import load_plugin

    for file in plugin or []:
        load_plugin(file)
    if kind == Kind.datasets:
        rows = _datasets(data or [])
    else:
        rows = _methods() if kind == Kind.methods else _metrics()
    print(json.dumps(rows, indent=1) if as_json else _table(rows))


def _methods() -> list[dict[str, Any]]:
    from stbench.method import REGISTRY

    found: list[dict[str, Any]] = [
        {"name": name, "family": cls.info.family, "presets": ", ".join(cls.presets), "source": cls.info.paper}
        for name, cls in REGISTRY.items().items()
    ]
    return found + _broken(REGISTRY.broken)


def _metrics() -> list[dict[str, Any]]:
    from stbench.metric import REGISTRY

    found: list[dict[str, Any]] = [
        {
            "name": m.name,
            "best": m.best,
            "bounds": [bound if isfinite(bound) else None for bound in m.bounds],
            "primary": m.primary,
            "definition": m.definition,
        }
        for m in REGISTRY.items().values()
    ]
    return found + _broken(REGISTRY.broken)


def _datasets(folders: list[Path]) -> list[dict[str, Any]]:
    from stbench.data.sources import catalogue, data_folders

    return [
        {
            "name": d.name,
            "available": d.problem is None,
            "tissue": d.card.tissue,
            "note": d.problem or d.card.title,
        }
        for d in catalogue(data_folders(folders)).values()
    ]


def _broken(reasons: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "broken": reason} for name, reason in reasons.items()]


def _table(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned plain text: names for people, and for grep and awk."""
    lines = [[str(value) for value in _cells(row)] for row in rows]
    widths = [
        max(len(line[i]) for line in lines if len(line) > i) for i in range(max(map(len, lines), default=0))
    ]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _cells(row: dict[str, Any]) -> list[Any]:
    return [row["name"], f"BROKEN: {row['broken']}"] if "broken" in row else list(row.values())
