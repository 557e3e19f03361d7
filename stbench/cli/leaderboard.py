"""``stbench leaderboard``: tables, figures and the page from a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    results: Annotated[
        Path,
        typer.Argument(help="The --out of stbench run, or a CSV file dataset,method,gene,metric,value."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the leaderboard.")] = Path("board"),
    only: Annotated[str, typer.Option(help="Renderers with commas, for example site,figures.")] = "",
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of datasets, for figures of the references.")
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(help="Python file with further renderers or metrics.")
    ] = None,
) -> None:
    """Write tables, figures and the page of a results folder, or of the scores of a published benchmark.

    Example: stbench leaderboard results --out board
    """
    from stbench.board.collect import collect
    from stbench.board.longtable import read_long_table
    from stbench.board.render import render
    from stbench.files import writable_folder
    from stbench.plugins import load_plugin
    from stbench.runs.results import Results

    for file in plugin or []:
        load_plugin(file)
    if results.suffix == ".csv":
        board = read_long_table(results)
    else:
        board = collect(Results.open(results), data or [])
    names = [name.strip() for name in only.split(",") if name.strip()]
    for path in render(board, writable_folder(out), names, slow=True):
        print(f"Wrote {path}")
