"""Cards of methods and datasets, and the provenance of every run."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from anndata import AnnData

from stbench.board.archive import Archive, Column, row_of
from stbench.board.board import Board
from stbench.board.columns import COLUMN, ROW, column_name
from stbench.data.health import side
from stbench.methods import REGISTRY
from stbench.plot.style import styles
from stbench.scoring.controls import CEILING


def methods(board: Board) -> list[dict[str, Any]]:
    """A panel per row of the board, best first: description, parameters, costs."""
    looks = styles(board.names.values())
    panels = []
    for rank in board.ranks().to_dict("records"):
        row = tuple(rank[key] for key in ROW)
        own = [manifest for manifest in board.manifests if row_of(manifest) == row]
        name = own[0]["method"] if own else rank["method"]
        cls = REGISTRY.items().get(name)
        panels.append(
            {
                "name": board.names[row],
                "colour": looks[board.names[row]].colour,
                "kind": rank["kind"],
                "preset": rank["preset"],
                "info": cls.info if cls else None,
                "sections": _sections(inspect.getdoc(cls) or "") if cls else [],
                "parameters": [
                    {"preset": row[2], "values": values} for values in _distinct(own, "parameters") if values
                ],
                "costs": _costs(board, row),
            }
        )
    return panels


def _sections(text: str) -> list[tuple[str, str]]:
    """(title, text) of the parts of a numpydoc docstring; the first has no title."""
    parts = re.split(r"^([^\n]+)\n-{3,}\n", text, flags=re.MULTILINE)
    titles = ["", *parts[1::2]]
    return [(title, re.sub(r"``?", "", body).strip()) for title, body in zip(titles, parts[::2], strict=True)]


def _distinct(manifests: list[dict[str, Any]], key: str) -> list[Any]:
    """The different values of ``key``, in the order they come."""
    return list(
        {json.dumps(manifest.get(key), sort_keys=True): manifest.get(key) for manifest in manifests}.values()
    )


def _costs(board: Board, row: tuple) -> list[dict[str, Any]]:
    """Runs, status, median time and memory per dataset."""
    runs = board.runs[(board.runs[ROW] == row).all(axis=1)]
    costs = []
    for column, group in runs.groupby(COLUMN):
        ok = group[group["status"] == "ok"]
        costs.append(
            {
                "column": column_name(*column),
                "n_runs": len(group),
                "n_ok": len(ok),
                "wall_s": ok["wall_s"].dropna().astype(float).median(),
                "peak_rss_bytes": ok["peak_rss_bytes"].dropna().astype(float).median(),
            }
        )
    return costs


def datasets(board: Board) -> list[dict[str, Any]]:
    """A panel per column of the board: card, what the preparation did, its ceiling, hash."""
    panels = []
    summary = board.summary()
    ceiling = summary[(summary["method"] == CEILING) & (summary["metric"] == board.headline)].set_index(
        COLUMN
    )["mean"]
    for column in board.columns:
        stored = board.archive.dataset(column) if board.archive else {}
        facts = {
            key: value for key, value in stored.items() if key not in ("format", "card", "report", "name")
        }
        panels.append(
            {
                "label": column_name(*column),
                "card": _filled(stored.get("card", {})),
                "health": _filled(
                    stored.get("report", {}) | (_health(board.archive, column) if board.archive else {})
                ),
                "facts": _filled(facts),
                "ceiling": ceiling.get(column),
            }
        )
    return panels


def _health(archive: Archive, column: Column) -> dict[str, Any]:
    """Figures of the raw spatial values over the genes of the benchmark."""
    truth = archive.truth(column)
    found = side(AnnData(truth.layers.get("counts", truth.X), obsm=dict(truth.obsm)))
    return {
        "zeros_in_space": f"{found.zeros:.1%}",
        "median_total_per_spot": f"{found.median_total:.6g}",
        "median_genes_per_spot": f"{found.median_genes:.6g}",
        "repeated_spots": found.repeated_rows,
    }


def _filled(values: dict[str, Any]) -> dict[str, str]:
    """The values that are not empty, as text; names without underscores."""
    return {
        key.replace("_", " "): value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value not in (None, "", [], {})
    }


def environments(board: Board) -> list[dict[str, Any]]:
    """The different settings that runs were made in: command, hardware, versions; numbered from 1."""
    return [
        {"number": number, "n_runs": n_runs} | json.loads(text)
        for text, (number, n_runs) in _environments(board).items()
    ]


def _environments(board: Board) -> dict[str, tuple[int, int]]:
    texts = [_environment(manifest) for manifest in board.manifests]
    return {text: (i + 1, texts.count(text)) for i, text in enumerate(dict.fromkeys(texts))}


def _environment(manifest: dict[str, Any]) -> str:
    """The setting of a run as one text: what is equal for all runs of a call on one machine."""
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
    """One entry per run: the keys, hashes and versions that its scores come from."""
    numbers = _environments(board)
    rows = []
    for manifest in board.manifests:
        versions = {k: v for k, v in (manifest.get("versions") or {}).items() if k != "stbench"}
        rows.append(
            {
                "column": column_name(manifest["dataset"], manifest["limit"]),
                "name": board.names[row_of(manifest)],
                "rotation": manifest["split"]["rotation"],
                "split_seed": manifest["split"]["split_seed"],
                "seed": manifest["seed"],
                "status": manifest["status"],
                "wall_s": manifest.get("wall_s"),
                "peak_rss_bytes": manifest.get("peak_rss_bytes"),
                "device": manifest.get("device"),
                "started": (manifest.get("started") or "")[:16].replace("T", " "),
                "version": manifest["version"],
                "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
                "run": manifest["key"],
                "data": manifest["data_hash"][:12],
                "split": manifest["split"]["hash"],
                "environment": numbers[_environment(manifest)][0],
            }
        )
    return rows
