"""The results folder behind a board: the manifests of its runs, the truths and the predictions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from stbench.files import read_h5ad, read_json
from stbench.runs.manifest import OK
from stbench.runs.results import Results

if TYPE_CHECKING:
    from anndata import AnnData

Column = tuple[str, str]  # dataset, limit
Row = tuple[str, str, str]  # label of the method, kind, preset


@dataclass(frozen=True, eq=False)
class Archive:
    """The results folder of a board and the ``manifests`` of its runs, for renderers."""

    results: Results
    manifests: list[dict[str, Any]]

    def of(self, column: Column) -> list[dict[str, Any]]:
        """The manifests of one column of the board."""
        return [manifest for manifest in self.manifests if (manifest["dataset"], manifest["limit"]) == column]

    def dataset(self, column: Column) -> dict[str, Any]:
        """The content of ``dataset.json`` for a column: name, hash, limit, card, report."""
        stored: dict[str, Any] = read_json(self.results.dataset_folder(*self._hash(column)) / "dataset.json")
        return stored

    def truth(self, column: Column) -> AnnData:
        """The prepared spatial table of a column, with all its genes."""
        return self.results.truth(*self._hash(column))

    def predictions(
        self, column: Column, genes: list[str] | None = None, rows: Collection[Row] | None = None
    ) -> dict[Row, pd.DataFrame]:
        """Predictions for a column by row of the board, each spots x genes, pooled over the rotations.

        Where there are several seeds and split seeds, the smallest is used. Spots have the order of `truth`.
        The table of a row has only the genes that its runs predicted.

        Parameters
        ----------
        genes
            Only these, in this order. Default: every gene that was predicted.
        rows
            Read only these rows. Default: all.
        """
        spots = self.truth(column).obs_names
        parts: dict[Row, dict[int, pd.DataFrame]] = {}
        for manifest in sorted(self.of(column), key=lambda m: (m["split"]["split_seed"], m["seed"])):
            row, split = row_of(manifest), manifest["split"]
            if manifest["status"] != OK or (rows is not None and row not in rows):
                continue
            rotations = parts.setdefault(row, {})
            if split["rotation"] not in rotations:
                table = read_h5ad(self.results.run_folder(manifest["key"]) / "prediction.h5ad")
                test = list(self.results.split(split["hash"]).test)
                rotations[split["rotation"]] = table[spots, test].to_df()
        pooled = {row: pd.concat(tables.values(), axis=1) for row, tables in parts.items()}
        if genes is None:
            return pooled
        return {row: table[[gene for gene in genes if gene in table]] for row, table in pooled.items()}

    def _hash(self, column: Column) -> tuple[str, str]:
        """Name and data hash of a column."""
        return column[0], self.of(column)[0]["data_hash"]


def row_of(manifest: dict[str, Any]) -> Row:
    """The row of the board that a run belongs to."""
    return manifest["label"], manifest["kind"], manifest["preset"]
