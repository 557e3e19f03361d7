"""``stbench doctor``: the environment of this machine, and what each method misses here."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from stbench import __version__, machine
from stbench.cli.options import Plugins
from stbench.method import REGISTRY
from stbench.runs.provenance import git_state

SHOWN = ("numpy", "scipy", "anndata", "scanpy", "torch", "distributed", "dask-jobqueue")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    plugin: Plugins = None,
) -> None:
    """Show the environment, and which packages each method misses.

    Example: stbench doctor
    """
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


def environment() -> dict[str, str]:
    """The environment of stbench as text, by subject."""
    hardware, git = machine.hardware(), git_state()
    gpus = [f"{gpu['name']}, {_gb(gpu['memory_bytes'])}, driver {gpu['driver']}" for gpu in hardware["gpus"]]
    code = f", commit {git['commit'][:12]}{' with changes' * git['changed']}" if git else ""
    return {
        "stbench": f"{__version__}{code}",
        "python": f"{sys.version.split()[0]} ({sys.executable})",
        "system": hardware["system"],
        "cpu": f"{hardware['cpu']}, {hardware['cores']} cores for this process",
        "memory": _gb(hardware["memory_bytes"]),
        "gpu": "; ".join(gpus) or "none",
        "scratch": f"{tempfile.gettempdir()}, {_gb(shutil.disk_usage(tempfile.gettempdir()).free)} free",
    } | {name: _version(name) for name in SHOWN}


def report() -> dict[str, Any]:
    """The environment, and what each method misses (empty for one that can run here)."""
    missing = {name: cls.missing() for name, cls in REGISTRY.items().items()}
    missing |= {name: f"broken: {reason}" for name, reason in REGISTRY.broken.items()}
    return {"machine": environment(), "missing": missing}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
