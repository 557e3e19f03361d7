"""The columns of the tables of a board, and the checks of its two source tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stbench.errors import StbenchError

REDUCED = "cpu"  # the preset for machines without a GPU, see `stbench.method.Method.presets`
COLUMN = ["dataset", "limit"]
ROW = ["method", "kind", "preset"]
CELL = ["split", "seed"]
SCORES = [*COLUMN, *ROW, "family", "rotation", "split_seed", *CELL, "gene", "metric", "value"]
COST = ["predict_s", "predict_cpu_s", "wall_s", "peak_rss_bytes"]  # of the method, and of its whole run
OUTCOME = ["status", "reason", *COST]
RUNS = [*COLUMN, *ROW, "family", "rotation", "split_seed", *CELL, *OUTCOME]
DETAILS = [
    "data_hash",
    "version",
    "chosen",
    "scaled",
]  # of a run, where they are known; the last two are JSON
SUMMARY = [*COLUMN[:1], *ROW, *COLUMN[1:], "metric", "mean", "sd", "n_genes", "n_genes_unscored"]
SUMMARY += ["n_splits", "n_seeds", "status", "share", "share_of_oracle"]
BOOTSTRAP = [*COLUMN[:1], *ROW, *COLUMN[1:], "metric", "mean", "sd", "median", "low", "high"]
BOOTSTRAP += ["n_genes", "n_splits", "n_seeds", "status"]


def column_name(dataset: str, limit: str) -> str:
    """The name of a column of the board: ``dataset`` or ``dataset [limit]``."""
    return f"{dataset} [{limit}]" if limit else dataset


def preset_text(preset: str) -> str:
    """The preset with a mark where it is smaller or shorter than the authors' setting."""
    return f"{preset}, reduced" if preset == REDUCED else preset


def keys_of(table: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    """The values of some columns as one tuple per row of the table."""
    return list(table[columns].itertuples(index=False, name=None))


def check_table(table: pd.DataFrame, name: str, columns: list[str], keys: list[str]) -> None:
    """Raise `StbenchError` where a column is missing, a key is empty or two rows have the same keys."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise StbenchError(f"The {name} have no column '{missing[0]}'.")
    empty = [key for key in keys if table[key].isna().any()]
    if empty:
        raise StbenchError(f"The {name} have rows without '{empty[0]}'.")
    twice = table.duplicated(keys)
    if twice.any():
        row = table[twice].iloc[0]
        where = ", ".join(f"{key} {row[key]}" for key in keys if row[key] != "")
        raise StbenchError(f"The {name} hold the same entry twice: {where}. Keep one.")
