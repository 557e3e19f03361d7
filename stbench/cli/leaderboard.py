"""``stbench leaderboard``: tables, figures and the page from a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stbench.cli.options import DataFolders, Plugins
from stbench.config.values import names
from stbench.files import writable_folder


def leaderboard(
    results: Annotated[
        Path,
        typer.Argument(help="The --out of stbench run, or a CSV file dataset,method,gene,metric,value."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the leaderboard.")] = Path("board"),
    only: Annotated[str, typer.Option(help="Renderers with commas, for example site,figures.")] = "",
    data: DataFolders = None,
    plugin: Plugins = None,
) -> None:
    """Write tables, figures and the page of a results folder, or of the scores of a published benchmark.

    Some figures show the references, which are read from --data. Example: stbench leaderboard results
    --out board
    """
    from stbench.board.collect import collect
    from stbench.board.longtable import read_long_table
    from stbench.board.render import render
    from stbench.runs.results import Results

    if results.suffix == ".csv":
        board = read_long_table(results)
    else:
        board = collect(Results.open(results), data or [])
    for path in render(board, writable_folder(out), names(only), slow=True):
        print(f"Wrote {path}")
