"""Cards of methods and datasets, and the provenance of every run."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from typing import Any

from anndata import AnnData

from stbench.board.archive import Archive, Column, row_of
from stbench.board.board import SHARES, Board
from stbench.board.columns import COLUMN, COST, ROW, column_name, keys_of
from stbench.board.submitted import SUBMITTED, UNKNOWN
from stbench.data.health import side
from stbench.methods import REGISTRY
from stbench.plot.style import styles


def methods(board: Board) -> list[dict[str, Any]]:
    """A panel per row of the board, best first: description, parameters, costs."""
    looks = styles(board.names.values())
    named = {key: board.named_values(key) for key in ("chosen", "scaled")}
    panels = []
    for row in keys_of(board.ranks(), ROW):
        own = [manifest for manifest in board.manifests if row_of(manifest) == row]
        cls = REGISTRY.items().get(own[0]["method"] if own else row[0])
        parameters = {json.dumps(m["parameters"], sort_keys=True): m["parameters"] for m in own}
        panels.append(
            {
                "name": board.names[row],
                "colour": looks[board.names[row]].colour,
                "symbol": looks[board.names[row]].symbol,
                "kind": row[1],
                "info": cls.info if cls else None,
                "sections": _sections(inspect.getdoc(cls) or "") if cls else _submitted(own),
                "parameters": [values for values in parameters.values() if values],
                "named": {
                    key: [_values(*item) for item in rows.get(row, {}).items()] for key, rows in named.items()
                },
                "costs": [] if row[1] == SUBMITTED else _costs(board, row),
            }
        )
    return panels


def _sections(text: str) -> list[tuple[str, str]]:
    """(title, text) of the sections of a numpydoc docstring; the first has no title."""
    parts = re.split(r"^([^\n]+)\n-{3,}\n", text, flags=re.MULTILINE)
    titles = ["", *parts[1::2]]
    return [(title, re.sub(r"``?", "", body).strip()) for title, body in zip(titles, parts[::2], strict=True)]


def _submitted(own: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The card of a row that was run elsewhere, as `_sections`; empty for another row."""
    about = own[0].get("submitted") if own else None
    if about is None:
        return []
    return [("", UNKNOWN), *((name.capitalize(), text) for name, text in about["card"].items() if text)]


def _values(name: str, values: Counter[str]) -> str:
    """For example ``eps: 0.005 (3 runs), 0.05 (1 run)``."""
    shown = (f"{value} ({n} {'run' if n == 1 else 'runs'})" for value, n in values.most_common())
    return f"{name}: {', '.join(shown)}"


def _costs(board: Board, row: tuple) -> list[dict[str, Any]]:
    """Number of runs, median time and median memory per dataset."""
    runs = board.runs[(board.runs[ROW] == row).all(axis=1)]
    costs = []
    for column, group in runs.groupby(COLUMN):
        ok = group[group["status"] == "ok"]
        medians = ok[COST].astype(float).median()
        costs.append(
            {"column": column_name(*column), "n_runs": len(group), "n_ok": len(ok)} | medians.to_dict()
        )
    return costs


def datasets(board: Board) -> list[dict[str, Any]]:
    """A panel per column of the board: card, report of the preparation, health, hash, ceiling and oracle."""
    summary = board.summary()
    summary = summary[(summary["kind"] == "control") & (summary["metric"] == board.headline)]
    summary = summary[summary["method"].isin(SHARES.values())]
    bounds = summary.pivot(index=COLUMN, columns="method", values="mean").reindex(columns=SHARES.values())
    panels = []
    for column in board.columns:
        stored = board.archive.dataset(column) if board.archive else {}
        health = _health(board.archive, column) if board.archive else {}
        facts = {key: stored[key] for key in stored if key not in ("format", "card", "report", "name")}
        panels.append(
            {
                "label": column_name(*column),
                "card": _filled(stored.get("card", {})),
                "health": _filled(stored.get("report", {}) | health),
                "facts": _filled(facts),
                "bounds": bounds.loc[column].dropna().to_dict() if column in bounds.index else {},
            }
        )
    return panels


def _health(archive: Archive, column: Column) -> dict[str, Any]:
    """Statistics of the raw spatial values over the genes of the benchmark."""
    truth = archive.truth(column)
    found = side(AnnData(truth.layers.get("counts", truth.X), obsm=dict(truth.obsm)))
    return {
        "zeros_in_space": f"{found.zeros:.1%}",
        "median_total_per_spot": f"{found.median_total:.6g}",
        "median_genes_per_spot": f"{found.median_genes:.6g}",
        "repeated_spots": found.repeated_rows,
    }


def _filled(values: dict[str, Any]) -> dict[str, str]:
    """The values that are not empty, as text, by their name without underscores."""
    return {
        key.replace("_", " "): value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value not in (None, "", [], {})
    }


def environments(board: Board) -> list[dict[str, Any]]:
    """The different settings of the runs: command, hardware, versions; numbered from 1."""
    found = Counter(_environment(manifest) for manifest in board.manifests)
    return [{"number": i, "n_runs": n} | json.loads(text) for i, (text, n) in enumerate(found.items(), 1)]


def _environment(manifest: dict[str, Any]) -> str:
    """The setting of a run as one text, the same for all runs of a command on one machine."""
    hardware = {key: value for key, value in (manifest.get("hardware") or {}).items() if value}
    return json.dumps(
        {
            "command": " ".join(manifest.get("command") or ["not recorded"]),
            "hardware": hardware,
            "python": manifest.get("python"),
            "stbench": (manifest.get("versions") or {}).get("stbench"),
        },
        sort_keys=True,
    )


def provenance(board: Board) -> list[dict[str, Any]]:
    """One entry per run: the keys, hashes and versions behind its scores."""
    settings = list(dict.fromkeys(_environment(manifest) for manifest in board.manifests))
    rows = []
    for manifest in board.manifests:
        versions = {k: v for k, v in (manifest.get("versions") or {}).items() if k != "stbench"}
        same = ("key", "seed", "status", *COST, "device", "version")
        rows.append(
            {key: manifest.get(key) for key in same}
            | {
                "column": column_name(manifest["dataset"], manifest["limit"]),
                "name": board.names[row_of(manifest)],
                "rotation": manifest["split"]["rotation"],
                "started": (manifest.get("started") or "")[:16].replace("T", " "),
                "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
                "data": manifest["data_hash"][:12],
                "split": manifest["split"]["hash"],
                "environment": settings.index(_environment(manifest)) + 1,
            }
        )
    return rows
