"""``stbench leaderboard``: tables from a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    results: Annotated[Path, typer.Argument(help="Results folder: the --out of stbench run.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("board"),
    plugin: Annotated[
        list[Path] | None, typer.Option(help="Python file with further renderers or metrics.")
    ] = None,
) -> None:
    """Write the leaderboard of a results folder. Example: stbench leaderboard results --out board"""
    from stbench.evaluate import collect
    from stbench.files import writable_folder
    from stbench.registry import load_plugin
    from stbench.render import render
    from stbench.results import Results

    for file in plugin or []:
        load_plugin(file)
    board = collect(Results.open(results), print)
    for path in render(board, writable_folder(out)):
        print(f"Wrote {path}")
