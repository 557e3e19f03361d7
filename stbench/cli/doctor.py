"""``stbench doctor``: the environment, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with further plugins.")] = None,
) -> None:
    """Show the environment and what is missing for which method. Example: stbench doctor"""
    from stbench.plugins import load_plugin
    from stbench.runs.doctor import report

    for file in plugin or []:
        load_plugin(file)
    found = report()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    width = max(map(len, found["machine"] | found["missing"]))
    for subject, text in found["machine"].items():
        print(f"{subject:{width}} {text}")
    print()
    for name, missing in found["missing"].items():
        print(f"{name:{width}} {missing or 'can run here'}")
