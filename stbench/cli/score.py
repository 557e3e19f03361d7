"""``stbench score``: any two AnnData files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stbench.files import whole_file, writable_folder


def score(
    truth: Annotated[Path, typer.Argument(help="h5ad with the measured values in X (spots x genes).")],
    prediction: Annotated[Path, typer.Argument(help="h5ad with the predicted values in X.")],
    out: Annotated[Path, typer.Option(help="CSV file to write, one row per gene.")] = Path("scores.csv"),
) -> None:
    """Score a prediction against the truth, gene by gene. Example: stbench score truth.h5ad mine.h5ad"""
    from stbench.scoring.scores import score_files

    scores = score_files(truth, prediction)
    writable_folder(out.parent)
    with whole_file(out) as part:
        scores.to_csv(part, index_label="gene")
    means = "  ".join(f"{name} {value:.4f}" for name, value in scores.mean().items())
    print(
        f"{len(scores)} genes ({int(scores.isna().all(axis=1).sum())} constant in the truth). Means: {means}"
    )
    print(f"Wrote {out}")
