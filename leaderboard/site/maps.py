"""The gene browser: for every dataset maps of some test genes, of the truth and of every method.

A map has one byte per spot: the z-score from -2 to 3 (the scale of `stbench.plot.spatial_map`).
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np
import pandas as pd

from stbench.board.archive import Archive, Column
from stbench.board.board import Board
from stbench.board.columns import COLUMN, ROW, keys_of
from stbench.plot.maps import RANGE
from stbench.toolbox.scale import zscore

MAX_SPOTS = 500
MAX_GENES = 20
MAX_BYTES = 2_000_000  # of all maps together


def maps(board: Board) -> list[dict[str, Any]]:
    """One entry per dataset with coordinates: places of the spots, maps and scores by gene and method."""
    if board.archive is None:
        return []
    found = [_dataset(board, board.archive, column) for column in board.columns]
    return [entry for entry in found if entry]


def _dataset(board: Board, archive: Archive, column: Column) -> dict[str, Any]:
    truth = archive.truth(column)
    scores = board.gene_scores
    scores = scores[(scores["metric"] == board.headline) & (scores[COLUMN] == column).all(axis=1)]
    scores = scores[scores["value"].notna() & (scores["kind"] != "control")]
    if "spatial" not in truth.obsm or scores.empty:
        return {}
    rng = np.random.default_rng(0)
    spots = np.sort(rng.permutation(truth.n_obs)[:MAX_SPOTS])
    n_methods = scores.groupby(ROW).ngroups
    room = MAX_BYTES // (len(board.columns) * (1 + n_methods) * len(spots))
    genes = _spread(scores.groupby("gene")["value"].mean(), min(MAX_GENES, max(3, room)))
    order = [row for row in keys_of(board.ranks(), ROW) if row[1] != "control"]
    predictions = archive.predictions(column, genes, order)
    tables = {"truth": truth[:, genes].to_df()}
    tables |= {board.names[row]: predictions[row] for row in order if row in predictions}
    value = scores.assign(name=board.names_of(scores)).set_index(["gene", "name"])["value"]
    return {
        "label": board.column_names[column],
        "n_spots": truth.n_obs,
        "n_shown": len(spots),
        "places": _places(np.asarray(truth.obsm["spatial"], dtype=float)[spots]),
        "genes": {
            gene: {name: _bytes(table[gene], spots) for name, table in tables.items() if gene in table}
            for gene in genes
        },
        "scores": {gene: {name: float(x) for name, x in value.loc[gene].items()} for gene in genes},
    }


def _spread(means: pd.Series, n: int) -> list[str]:
    """``n`` genes at equal distances in the order from the best to the worst."""
    ordered = means.sort_values(ascending=False, kind="stable").index
    places = np.unique(np.linspace(0, len(ordered) - 1, n).round().astype(int))
    return [str(ordered[i]) for i in places]


def _places(coordinates: np.ndarray) -> list[list[int]]:
    """x and y of every spot as whole numbers from 0 to 1000, with one scale for both."""
    corner = coordinates[:, :2].min(axis=0)
    scale = np.ptp(coordinates[:, :2], axis=0).max() or 1.0
    return np.rint((coordinates[:, :2] - corner) / scale * 1000).astype(int).T.tolist()


def _bytes(values: pd.Series, spots: np.ndarray) -> str:
    """z-scores over all spots, as base64 of one byte for each of ``spots``."""
    low, high = RANGE
    part = (np.clip(zscore(values.to_numpy(dtype=float))[spots], low, high) - low) / (high - low) * 255
    return b64encode(np.rint(part).astype(np.uint8).tobytes()).decode()
