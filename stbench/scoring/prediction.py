"""Scores of a prediction file, as rows of gene, metric and value."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from anndata import AnnData

from stbench.exchange.taskfolder import read_prediction
from stbench.metric import ALL_GENES, REGISTRY
from stbench.scoring.scores import other_genes, score
from stbench.tables import frame

SCORE_COLUMNS = ["gene", "metric", "definition", "value"]
MAX_SCORES = 10**7  # of one run: tens of thousands of genes, hundreds of metrics


def score_prediction(
    file: Path, truth: AnnData, targets: Iterable[str], metrics: Iterable[str] | None = None
) -> pd.DataFrame:
    """Scores of one prediction file (columns `SCORE_COLUMNS`); ``truth`` holds all genes, spots x genes.

    Raises `stbench.exchange.taskfolder.InvalidPrediction` for a file that is not what was requested.
    """
    targets = list(targets)
    true = frame(truth, targets)
    prediction = read_prediction(file, list(true.index), targets)
    predicted = pd.DataFrame(prediction.mean, index=true.index, columns=targets)
    coordinates = truth.obsm.get("spatial")
    others = other_genes(truth, targets)
    scores = score(true, predicted, metrics, coordinates=coordinates, intervals=prediction, visible=others)
    return long(scores)


def long(wide: pd.DataFrame) -> pd.DataFrame:
    """Scores genes x metrics as rows (columns `SCORE_COLUMNS`)."""
    table = wide.rename_axis("gene").reset_index().melt("gene", var_name="metric", value_name="value")
    over_genes = {name: REGISTRY.get(name).over_genes for name in wide}
    table = table[(table["gene"] == ALL_GENES) == table["metric"].map(over_genes).astype(bool)]
    return table.assign(definition=[REGISTRY.get(name).definition for name in table["metric"]])


def stored_scores(file: Path) -> pd.DataFrame:
    """The scores stored in ``file``; an empty table where it is missing or damaged."""
    import pyarrow.parquet

    try:
        if pyarrow.parquet.read_metadata(file).num_rows <= MAX_SCORES:
            stored = pd.read_parquet(file, columns=SCORE_COLUMNS)
            return stored.astype({"value": float})
    except (OSError, ValueError, pyarrow.ArrowException):
        pass
    return pd.DataFrame({column: [] for column in SCORE_COLUMNS})
