"""``stbench run-one``: one run of a grid that was written with ``--emit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run_one(
    spec: Annotated[Path, typer.Argument(help="A run file, written by stbench run --emit slurm.")],
) -> None:
    """Make one run and store it. Example: stbench run-one results/slurm/cpu-0/0.json"""
    from stbench.cli.progress import Lines
    from stbench.runs.benchmark import make_one
    from stbench.runs.manifest import BAD

    record = make_one(spec, Lines())
    if record["status"] in BAD:
        raise typer.Exit(1)
