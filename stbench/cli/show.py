"""Prints one run of a results folder."""

from __future__ import annotations

import json
from typing import Any

from stbench.runs.manifest import title
from stbench.runs.results import Results, run_called
from stbench.scoring.prediction import stored_scores

SHOWN = ("key", "status", "reason", "version", "preset", "device", "limit", "units", "started")
COST = {"wall_s": "s, whole run", "predict_s": "s, method alone", "predict_cpu_s": "CPU s, method alone"}
LOG_LINES = 10


def show_run(results: Results, wanted: str) -> None:
    """Print the run whose key starts with ``wanted``, or whose title contains it, see `run_called`."""
    manifest = run_called(results, wanted)
    folder = results.run_folder(manifest["key"])
    print(title(manifest))
    for key in SHOWN:
        if manifest.get(key):
            _line(key, manifest[key])
    for key in ("parameters", "chosen", "scaled"):
        if manifest.get(key):
            _line(key, json.dumps(manifest[key], sort_keys=True))
    for key, unit in COST.items():
        if manifest.get(key) is not None:
            _line(key, f"{manifest[key]:.2f} {unit}")
    if manifest.get("peak_rss_bytes"):
        _line("peak memory", f"{manifest['peak_rss_bytes'] / 1e9:.2f} GB")
    scores = stored_scores(folder / "scores.parquet")
    if len(scores):
        means = scores.groupby("metric", sort=False)["value"].mean()
        _line("mean scores", ", ".join(f"{name} {value:.3f}" for name, value in means.items()))
    _line("folder", folder)
    log = folder / "log.txt"
    if log.is_file() and (lines := log.read_text(encoding="utf-8", errors="replace").splitlines()):
        print(f"The last lines of {log.name}:")
        print("\n".join(f"  {line}" for line in lines[-LOG_LINES:]))


def _line(key: str, value: Any) -> None:
    print(f"  {key:14}{value}")
