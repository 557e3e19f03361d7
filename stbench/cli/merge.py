"""``stbench merge``: one results folder from several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Results folders: the --out of stbench run.")],
    out: Annotated[Path, typer.Option(help="New folder for all runs.")],
) -> None:
    """Merge results folders of several machines. Example: stbench merge results_a results_b --out results"""
    from stbench.board.merge import merge as merge_folders

    n_runs = merge_folders(folders, out)
    print(f"Wrote {out}: {n_runs} runs of {len(folders)} folders.")
