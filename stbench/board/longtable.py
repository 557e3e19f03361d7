"""A published benchmark as a `Board`, from a table with one row per score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import COST, RUNS, SCORES
from stbench.errors import StbenchError, unknown_name
from stbench.metric import REGISTRY, headline

KEYS = ["dataset", "method", "gene", "metric"]


def read_long_table(file: Path) -> Board:
    """The board of a CSV file with the columns ``dataset,method,gene,metric,value``.

    Metrics are matched to the registered ones by name, upper or lower case; their formulas are those of the
    authors of the file. An empty value is missing. The genes of a dataset are those with a value of any
    method. A method with fewer genes is ``invalid`` there and a method without a row was ``not run``, so
    neither is ranked.

    Raises
    ------
    StbenchError
        For a file that is missing or no such table, an unknown metric, a score that is repeated or infinite,
        and a table without the headline metric.
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
        raise StbenchError(f"'{file}' has a score twice: {names}.")
    if headline() not in set(table["metric"]):
        raise StbenchError(f"'{file}' has no '{headline()}', which heads the leaderboard.")

    own = {"limit": "", "kind": "method", "preset": "", "family": "", "rotation": 0, "split_seed": 0}
    own |= {"split": "published", "seed": 0}
    runs = _runs(table).assign(**own, **dict.fromkeys(COST, np.nan))[RUNS]
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
        empty = table[key].str.strip() == ""
        if empty.any():
            raise StbenchError(f"'{file}', line {empty.argmax() + 2}: the {key} is empty.")
    texts = table["value"].str.strip().str.casefold()
    missing = texts.isin(["", "nan", "na"])
    table["value"] = pd.to_numeric(texts.mask(missing), errors="coerce")
    wrong = ~missing & ~np.isfinite(table["value"])
    if wrong.any():
        line, text = wrong.argmax() + 2, texts[wrong].iloc[0]
        raise StbenchError(f"'{file}', line {line}: the value '{text}' is not a finite number.")
    return table[[*KEYS, "value"]]


def _runs(table: pd.DataFrame) -> pd.DataFrame:
    """One row per dataset and method with its status; the reason is the metric that misses most genes."""
    scored = table.dropna(subset="value")
    n_genes = scored.groupby(["dataset", "metric"])["gene"].nunique()
    rows = []
    for (dataset, method), own in table.groupby(["dataset", "method"]):
        expected = n_genes[n_genes.index.get_level_values("dataset") == dataset].droplevel("dataset")
        missing = expected.sub(own.dropna(subset="value").groupby("metric").size(), fill_value=0)
        worst = missing.idxmax() if missing.any() else ""
        reason = f"no {worst} of {missing[worst]:.0f} of {expected[worst]} genes" if worst else ""
        rows.append((dataset, method, "invalid" if worst else "ok", reason))
    return pd.DataFrame(rows, columns=["dataset", "method", "status", "reason"])
