"""``stbench doctor``: the environment, and the packages that are missing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from stbench.cli.options import Plugins


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    plugin: Plugins = None,
) -> None:
    """Show the environment, and which packages each method misses. Example: stbench doctor"""
    from stbench.runs.doctor import report

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
