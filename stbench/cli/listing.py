"""``stbench list``: names of plugins, without importing the packages that a method needs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stbench import method, metric
from stbench.api.plugins import plugin_rows
from stbench.cli.options import DataFolders, Plugins
from stbench.cli.pair_report import show
from stbench.config.variants import parameter_table
from stbench.data.sources import catalogue, data_folders, dataset_called

HEADS = {
    "methods": ("name", "family", "presets", "tuned", "source"),
    "datasets": ("name", "state", "tissue", "title"),
    "metrics": ("name", "best", "bounds", "primary"),
}
MAX_CELL = 36
NOT_DOWNLOADED = "it is not downloaded"


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
    rows = plugin_rows(kind, data or [])
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print(_table(HEADS[kind], [_cells(kind, row) for row in rows]))
    if kind == "datasets" and any(not row.get("available", True) for row in rows):
        print("Download one or a group of them with: stbench data fetch NAME")
    print(f"All that is known of one: stbench list {kind} NAME")


def _one(kind: str, name: str, folders: list[Path]) -> None:
    """Print the documentation of one method or metric, or the card of a dataset."""
    if kind == "datasets":
        show(dataset_called(name, catalogue(data_folders(folders))), as_json=False)
    elif kind == "metrics":
        found = metric.REGISTRY.get(name)
        print(f"{name}: best {found.best}, bounds {found.bounds}, definition {found.definition}\n")
        print(inspect.getdoc(found.function) or "")
    else:
        wrappers = method.REGISTRY.wrappers
        cls = (wrappers if name in wrappers.names() else method.REGISTRY).get(name)
        info = cls.info
        source = f"{info.paper}, {info.link}" if info.link else info.paper
        needs = ", ".join(info.packages) or "nothing more"
        print(f"{name}: {info.family}, version {info.version}. {source}. Needs {needs}.")
        if missing := cls.missing():
            print(f"Not here: it {missing}")
        print(f"\n{inspect.getdoc(cls) or ''}\n")
        head, rows = parameter_table(cls)
        print(_table(head, rows) if rows else "It has no parameters.")


def _cells(kind: str, row: dict[str, Any]) -> list[str]:
    """The cells of a row, as short as they can be."""
    if "broken" in row:
        return [row["name"], f"BROKEN: {row['broken']}"]
    if kind == "datasets":
        absent = row["note"].startswith(NOT_DOWNLOADED)
        state = "here" if row["available"] else "not here" if absent else "broken"
        return [row["name"], state, row["tissue"], "–" if absent else row["note"]]
    if kind == "metrics":
        low, high = ("any" if bound is None else f"{bound:.3g}" for bound in row["bounds"])
        return [row["name"], row["best"], f"{low} to {high}", "yes" if row["primary"] else "–"]
    return [row[name] or "–" for name in ("name", "family", "presets", "tuned", "source")]


def _table(head: Sequence[str], rows: list[list[str]]) -> str:
    """Rows below their head as plain text with aligned columns, for people and for grep and awk."""
    lines = [[_short(cell) for cell in line] if len(line) > 2 else line for line in [list(head), *rows]]
    whole = [line for line in lines if len(line) == len(head)]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    padded = ([f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _short(cell: str) -> str:
    return cell if len(cell) <= MAX_CELL else f"{cell[: MAX_CELL - 1]}…"
