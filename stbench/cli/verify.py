"""``stbench verify``: whether a results folder is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    results: Annotated[Path, typer.Argument(help="Results folder: the --out of stbench run.")],
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove what is damaged; the same stbench run makes it again.")
    ] = False,
) -> None:
    """Check every stored byte against its hash. Example: stbench verify results"""
    from stbench.runs.results import Results

    folder = Results.open(results)
    damaged = folder.damaged(thorough=True)
    for part, reason in damaged.items():
        print(f"{part}: {reason}")
        if remove:
            folder.remove(part)
    n_runs = sum(1 for _ in (results / "runs").glob("[!.]*"))
    print(f"{n_runs} runs in {results}, {len(damaged)} damaged parts{' removed' if remove else ''}.")
    if damaged and not remove:
        raise typer.Exit(1)
