"""A published benchmark as a `Board`: its per-gene scores in long form, one row per score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import RUNS, SCORES
from stbench.errors import StbenchError, unknown_name
from stbench.metric import REGISTRY, headline

KEYS = ["dataset", "method", "gene", "metric"]


def read_long_table(file: Path) -> Board:
    """The board of a CSV file with the columns ``dataset,method,gene,metric,value``.

    Metrics are matched to the registered ones by name, whatever the case; their formulas are those of the
    authors of the file. An empty value is a missing one. The genes of a dataset are those with a value of any
    method: a method that lacks some is ``invalid`` there and a method without any row was ``not run``, so
    neither is ranked as if it were complete.

    Raises
    ------
    StbenchError
        For a file that is missing or no such table, an unknown metric, a score that is there twice or is
        infinite, and a table without the headline metric.
    """
    table = _read(file)
    known = {name.casefold(): name for name in REGISTRY.names()}
    for name in table["metric"].unique():
        if name.casefold() not in known:
            raise unknown_name("metric", name, known.values())
    table["metric"] = [known[name.casefold()] for name in table["metric"]]
    repeated = table[table.duplicated(KEYS)]
    if not repeated.empty:
        names = ", ".join(f"{key} {repeated.iloc[0][key]}" for key in KEYS)
        raise StbenchError(f"'{file}' holds a score twice: {names}.")
    if headline() not in set(table["metric"]):
        raise StbenchError(f"'{file}' has no '{headline()}', which heads the leaderboard.")

    own = {"limit": "", "kind": "method", "preset": "", "family": "", "rotation": 0, "split_seed": 0}
    own |= {"split": "published", "seed": 0}
    runs = _missing(table).assign(**own, wall_s=np.nan, peak_rss_bytes=np.nan)[RUNS]
    metrics = {name: REGISTRY.get(name) for name in table["metric"].unique()}
    return Board(table.dropna(subset="value").assign(**own)[SCORES], runs, metrics, origin=file.name)


def _read(file: Path) -> pd.DataFrame:
    """The table in the file with texts as keys and numbers as values."""
    if not file.is_file():
        raise StbenchError(f"File '{file}' does not exist.")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise StbenchError(f"File '{file}' is not a readable CSV table ({error}).") from error
    for column in (*KEYS, "value"):
        if column not in table:
            raise StbenchError(f"'{file}' has no column '{column}'. It takes {','.join((*KEYS, 'value'))}.")
    for key in KEYS:
        if (table[key].str.strip() == "").any():
            line = int((table[key].str.strip() == "").to_numpy().argmax()) + 2
            raise StbenchError(f"'{file}', line {line}: the {key} is empty.")
    texts = table["value"].str.strip().str.casefold()
    table["value"] = pd.to_numeric(texts.where(~texts.isin(["", "nan", "na"])), errors="coerce")
    wrong = (table["value"].isna() & ~texts.isin(["", "nan", "na"])) | np.isinf(table["value"])
    if wrong.any():
        line = int(wrong.to_numpy().argmax()) + 2
        raise StbenchError(
            f"'{file}', line {line}: the value '{texts.iloc[line - 2]}' is not a finite number."
        )
    return table[[*KEYS, "value"]]


def _missing(table: pd.DataFrame) -> pd.DataFrame:
    """One row per dataset and method of the table with its status and what it lacks."""
    scored = table.dropna(subset="value")
    expected = scored.groupby(["dataset", "metric"])["gene"].nunique().rename("n_expected").reset_index()
    found = scored.groupby(["dataset", "method", "metric"]).size().rename("n_found").reset_index()
    cells = table[["dataset", "method"]].drop_duplicates().merge(expected, on="dataset", how="left")
    cells = cells.merge(found, on=["dataset", "method", "metric"], how="left").fillna(
        {"n_found": 0, "n_expected": 0}
    )
    cells["lacks"] = cells["n_expected"] - cells["n_found"]
    worst = cells.sort_values("lacks", ascending=False, kind="stable").drop_duplicates(["dataset", "method"])
    complete = worst["lacks"] == 0
    reasons = [
        f"no {row.metric} of {row.lacks:.0f} of {row.n_expected:.0f} genes" if row.lacks else ""
        for row in worst.itertuples()
    ]
    return worst.assign(status=np.where(complete, "ok", "invalid"), reason=reasons)[
        ["dataset", "method", "status", "reason"]
    ]
