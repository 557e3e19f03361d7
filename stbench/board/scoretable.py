"""The runs and scores of boards as one parquet file: to publish them, to merge them, to render them again.

A row is the score of a gene by a metric, with the run that it comes from; a run without a score has one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import CELL, COLUMN, COST, DETAILS, OUTCOME, ROW, RUNS, SCORES, column_name
from stbench.board.submitted import SUBMITTED, uncounted
from stbench.errors import StbenchError
from stbench.files import whole_file
from stbench.metric import REGISTRY

KEYS = [*COLUMN, *ROW, *CELL]
COLUMNS = [*dict.fromkeys([*RUNS, *DETAILS, *SCORES]), "definition"]
SUFFIX = ".parquet"


def write_scores(board: Board, file: Path) -> None:
    """Write the runs and scores of ``board``; values are rounded to 32 bits."""
    outcome = board.runs.reindex(columns=[*KEYS, *OUTCOME, *DETAILS])
    table = board.scores.merge(outcome, how="left", on=KEYS)
    silent = board.runs.merge(board.scores[KEYS].drop_duplicates(), how="left", on=KEYS, indicator=True)
    silent = silent[silent["_merge"] == "left_only"]
    table = pd.concat([table, silent], ignore_index=True).reindex(columns=COLUMNS)
    table["definition"] = table["metric"].map({name: m.definition for name, m in board.metrics.items()})
    table = table.sort_values([*KEYS, "metric", "gene"], ignore_index=True)
    numbers = ["value", *COST]
    table[numbers] = table[numbers].astype("float32")
    texts = [name for name in table if table[name].dtype == object]
    with whole_file(file) as part:
        table.astype(dict.fromkeys(texts, "category")).to_parquet(
            part, index=False, compression="zstd", compression_level=19
        )


def read_scores(file: Path, *, include_submitted: bool = False) -> Board:
    """The board of a file by `write_scores`; ``include_submitted`` is that of the `Board`.

    Raises `StbenchError` for a file that is missing or no such table, and for a metric that is unknown or has
    another definition here.
    """
    if not file.is_file():
        raise StbenchError(f"File '{file}' does not exist.")
    try:
        table = pd.read_parquet(file)
    except (ValueError, OSError) as error:
        raise StbenchError(f"File '{file}' is not a readable parquet table ({error}).") from error
    if missing := [name for name in COLUMNS if name not in table]:
        raise StbenchError(f"'{file}' has no column '{missing[0]}'. Write such files with stbench pack.")
    texts = [name for name in table if table[name].dtype == "category"]
    table = table.astype(dict.fromkeys(texts, object)).astype({"value": float})
    runs = table[table["status"].notna()].drop_duplicates(KEYS)
    left_out = uncounted(runs, include_submitted=include_submitted)
    runs, table = (
        part[~pd.MultiIndex.from_frame(part[[*COLUMN, "split"]]).isin(left_out)] for part in (runs, table)
    )
    scores = table[table["gene"].notna()]
    metrics = {}
    for name, definition in scores.groupby("metric")["definition"].first().items():
        metrics[str(name)] = REGISTRY.get(str(name))
        if metrics[str(name)].definition != definition:
            raise StbenchError(
                f"'{file}' has {name} by definition {definition}; here it is "
                f"{metrics[str(name)].definition}. Pack the results folder again."
            )
    return Board(
        scores[SCORES].reset_index(drop=True),
        runs[[*RUNS, *DETAILS]].reset_index(drop=True),
        metrics,
        include_submitted=include_submitted,
    )


def merged(boards: Sequence[Board]) -> Board:
    """One board of all runs; where two boards have a run of the same cell, the later board counts.

    Raises `StbenchError` where a dataset was prepared in different ways, or a method has several versions.
    """
    tables = [board.runs.reindex(columns=[*RUNS, *DETAILS]).assign(place=i) for i, board in enumerate(boards)]
    runs = pd.concat(tables, ignore_index=True).drop_duplicates(KEYS, keep="last")
    hashes, versions = runs.groupby(COLUMN)["data_hash"].nunique(), runs.groupby("method")["version"].unique()
    for column in hashes.index[hashes > 1]:
        name = column_name(*column)
        raise StbenchError(f"Dataset {name} was prepared in different ways. Merge runs of one preparation.")
    for method, found in versions[versions.map(len) > 1].items():
        listed = " and ".join(sorted(map(str, found)))
        raise StbenchError(f"Method {method} has the versions {listed}. Run the older ones again.")
    parts = []
    for i, board in enumerate(boards):
        keys = pd.MultiIndex.from_frame(board.scores[KEYS])
        by_scorer = ~keys.isin(pd.MultiIndex.from_frame(board.runs[KEYS]))
        current = keys.isin(pd.MultiIndex.from_frame(runs.loc[runs["place"] == i, KEYS]))
        parts.append(board.scores[by_scorer | current])
    scores = pd.concat(parts, ignore_index=True)
    scores = scores.drop_duplicates([*KEYS, "gene", "metric"], keep="last", ignore_index=True)
    metrics = {name: metric for board in boards for name, metric in board.metrics.items()}
    return Board(scores, runs.drop(columns="place").reset_index(drop=True), metrics)


def common_cells(board: Board) -> Board:
    """The board on those cells (split, seed) of every dataset for which every method that competes has a run.

    Methods with ten rotations and methods with three are then compared on the same genes.
    """
    competing = board.runs[board.runs["kind"].ne(SUBMITTED) | board.include_submitted]
    n_rows = len(competing[ROW].drop_duplicates())
    counts = competing.groupby([*COLUMN, *CELL]).size()
    kept = counts.index[counts == n_rows]
    runs = board.runs[pd.MultiIndex.from_frame(board.runs[[*COLUMN, *CELL]]).isin(kept)]
    splits = pd.MultiIndex.from_frame(runs[[*COLUMN, "split"]].drop_duplicates())
    scores = board.scores[pd.MultiIndex.from_frame(board.scores[[*COLUMN, "split"]]).isin(splits)]
    if runs.empty:
        raise StbenchError("No rotation has a run of every method. Leave out --common.")
    return replace(board, scores=scores.reset_index(drop=True), runs=runs.reset_index(drop=True))
