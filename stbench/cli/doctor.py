"""``stbench doctor`` and ``stbench env``: what each method misses here, and how an external one gets it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from stbench.api.plugins import doctor as found_here
from stbench.api.plugins import env as environment_of
from stbench.cli.options import MethodName, Plugins


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    plugin: Plugins = None,
) -> None:
    """Show the environment, and which packages each method misses.

    Example: stbench doctor
    """
    found = found_here()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    width = max(map(len, found["machine"] | found["missing"]))
    for subject, text in found["machine"].items():
        print(f"{subject:{width}} {text}")
    print()
    for name, missing in found["missing"].items():
        print(f"{name:{width}} {missing or 'can run here'}")


def env(name: MethodName, plugin: Plugins = None) -> None:
    """Make the environment of an external method, from the requirements.txt beside its card.

    Example: stbench env moscot
    """
    print(f"{name} runs in {environment_of(name)}")
