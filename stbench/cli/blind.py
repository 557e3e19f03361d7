"""``stbench export`` and ``stbench submit``: measure methods that run elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stbench.cli.options import DataFolders, Plugins, takes
from stbench.config.options import ExportOptions
from stbench.metric import headline


@takes(ExportOptions)
def export(options: ExportOptions) -> None:
    """Write task folders for methods that run elsewhere, with a manifest and nothing that is hidden.

    Example: stbench export --datasets simulated --splits 10 --out tasks
    """
    from stbench.blind.export import export as export_tasks

    exported = export_tasks(options)
    print(f"Wrote {options.out}: manifest.json, README.txt, and {len(exported.tasks)} tasks")
    if options.splits > 1:
        print("A gene that one split hides is visible in others: predict each task from its own folder.")


def submit(
    predictions: Annotated[
        Path, typer.Argument(help="Folder with DATASET/splitK/prediction.csv, .tsv, .parquet or .h5ad.")
    ],
    name: Annotated[str, typer.Option(help="Name of the row; no method may have it.")],
    card: Annotated[Path, typer.Option(help="TOML file: paper, version, summary, ...")],
    tasks: Annotated[Path, typer.Option(help="Folder of the tasks: the --out of stbench export.")] = Path(
        "tasks"
    ),
    out: Annotated[Path, typer.Option(help="Results folder for the row.")] = Path("results"),
    data: DataFolders = None,
    plugin: Plugins = None,
) -> None:
    """Check and score predictions that were made elsewhere, as a row that is marked so.

    Example: stbench submit predictions --name theirs --card card.toml --tasks tasks --out results
    """
    from stbench.blind.submit import submit as submit_predictions
    from stbench.board.submitted import UNKNOWN

    scores = submit_predictions(predictions, name=name, card=card, tasks=tasks, out=out, data=data or [])
    metric = headline()
    for task, value in scores[metric].items():
        print(f"{task}: mean {metric} {value:.3f}")
    print(f"{name}: {len(scores)} predictions scored in {out}. {UNKNOWN.capitalize()}.")
    print(f"See them with: stbench leaderboard {out}")
