"""Commands on results folders: ``stbench leaderboard``, ``stbench verify`` and ``stbench merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stbench.cli.options import DataFolders, Plugins, ResultsFolder
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


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Results folders: the --out of stbench run.")],
    out: Annotated[Path, typer.Option(help="New folder for all runs.")],
) -> None:
    """Merge results folders of several machines. Example: stbench merge results_a results_b --out results"""
    from stbench.board.merge import merge as merge_folders

    n_runs = merge_folders(folders, out)
    print(f"Wrote {out}: {n_runs} runs of {len(folders)} folders.")
