"""``stbench verify``: whether a results folder is sound."""

from __future__ import annotations

from typing import Annotated

import typer

from stbench.cli.options import ResultsFolder


def verify(
    results: ResultsFolder,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove damaged parts; the same stbench run replaces them.")
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
    print(f"{len(folder.keys())} runs in {results}, {len(damaged)} damaged parts{' removed' * remove}.")
    if damaged and not remove:
        raise typer.Exit(1)
