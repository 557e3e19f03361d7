"""The commands for methods that run elsewhere: ``export`` and ``submit``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.config.options import ExportOptions, takes

if TYPE_CHECKING:
    import pandas as pd

    from stbench.blind.manifest import Exported


@takes(ExportOptions, "datasets")
def export(options: ExportOptions) -> Exported:
    """The manifest of the tasks that were written for methods that run elsewhere: ``stbench export``.

    Examples
    --------
    >>> exported = stbench.export("simulated", limit="cells=120,spots=80,genes=40", out="tasks")
    """
    from stbench.blind.export import export as export_tasks

    return export_tasks(options)


def submit(
    predictions: str | Path,
    *,
    name: str,
    card: str | Path,
    tasks: str | Path = "tasks",
    out: str | Path = "results",
    data: Iterable[str | Path] = (),
) -> pd.DataFrame:
    """Mean scores, tasks x metrics, of predictions that were made elsewhere: ``stbench submit``.

    They are stored in the results folder ``out`` as a row that is marked, see `stbench.blind.submit.submit`.

    Examples
    --------
    >>> scores = stbench.submit("predictions", name="theirs", card="card.toml")  # doctest: +SKIP
    """
    from stbench.blind.submit import submit as submit_predictions

    return submit_predictions(
        Path(predictions),
        name=name,
        card=Path(card),
        tasks=Path(tasks),
        out=Path(out),
        data=map(Path, data),
    )
