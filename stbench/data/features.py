"""Leaves genes in a table: identifiers, measurements of rows, control probes and antibodies are set apart."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from anndata import AnnData

from stbench.data.columns import (
    ROW_NAMES,
    as_names,
    cells_of_fields,
    describes_rows,
    generated,
    names_rows,
    plain,
)
from stbench.data.decisions import Decisions
from stbench.errors import StbenchError

KIND_COLUMNS = ("featuretypes", "featuretype", "featureclass", "genetype", "codewordcategory", "modality")
OTHER_KINDS = re.compile(  # of features; those of 10x, and of the biotypes of GENCODE none
    r".*(control|blank|codeword|deprecated|unassigned|negative|system).*|.*(antibody|multiplex|crispr|hashtag).*"
    r"|custom|peaks?|adt|hto|protein|prot|cite",
    re.IGNORECASE,
)
KEPT_KINDS = re.compile(r"(?!.*unassigned|.*deprecated|.*control).*gene.*", re.IGNORECASE)
CONTROLS = re.compile(  # names of features that no gene has
    r"neg(ative)?[ _.-]?(control|prb|probe|ctrl)|negative\d|blank[ _.-]?\d|blank$|system[ _.-]?control"
    r"|falsecode"
    r"|antisense[ _.-]|unassigned[ _.-]?codeword|deprecated[ _.-]?codeword|intergenic[ _.-]?region"
    r"|.*total[ _.-]?seq[ _.-]?[abcd]|(adt|hto)[_-]",
    re.IGNORECASE,
)


def only_genes(table: AnnData, what: str, decisions: Decisions) -> AnnData:
    """``table`` (rows x features) without the features that are no genes, itself where all are.

    Columns that name or measure the rows, and coordinates, go to ``obs``, see `stbench.data.columns`. Control
    probes, blanks and antibodies leave the table: by a column of ``var`` with the kinds of features, and by
    the names that the platforms give them. Raises `StbenchError` where no gene is left.
    """
    table = _rows_named(_columns_apart(table, what, decisions), what, decisions)
    kinds = _kinds(table)
    other = np.array([bool(CONTROLS.match(str(name))) for name in table.var_names])
    other |= kinds != ""
    if not other.any():
        return table
    found = pd.Series(kinds).where(kinds != "", "by their names")[other].value_counts()
    counted = ", ".join(f"{number} {kind}" for kind, number in found.items())
    if other.all():
        raise StbenchError(f"The {what} has no genes: all its features are others ({counted}).")
    decisions.say(f"{what}: {other.sum()} features are no genes and left out ({counted})")
    return table[:, ~other].copy()


def _columns_apart(table: AnnData, what: str, decisions: Decisions) -> AnnData:
    """The table with the columns that are no genes moved to ``obs``."""
    names = describes_rows(table.var_names)
    for name in table.var_names:
        if plain(name) in ROW_NAMES and names_rows(name, _column(table, name)):
            names.append(name)
    if not names or len(names) > table.n_vars / 2:  # most of the columns must be something else
        return table
    apart = table.var_names.isin(names)
    rest = table[:, ~apart].copy()
    for name in names:
        if name not in rest.obs:
            rest.obs[name] = _column(table, name)
    decisions.say(f"{what}: columns {', '.join(map(repr, names))} are no genes and set apart")
    return rest


def _column(table: AnnData, name: str) -> np.ndarray:
    """The values of the first column called ``name``, (n_rows,)."""
    values = table.X[:, list(table.var_names).index(name)]
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values).ravel()


def _rows_named(table: AnnData, what: str, decisions: Decisions) -> AnnData:
    """The table with names of rows from a column of ``obs`` where the rows have only numbers."""
    if not generated(table.obs_names):
        return table
    names = cells_of_fields(table.obs)
    if names is not None:
        inside = ~names.str.startswith("0_")  # cell 0 is what lies outside of cells
        table = table[inside].copy()
        table.obs_names = names[inside]
        decisions.say(f"{what}: names from cell_ID and fov, as squidpy makes them")
        return table
    by_name = {plain(column): column for column in table.obs.columns}
    for key in ("barcode", "barcodes", *sorted(ROW_NAMES & by_name.keys())):
        if key in by_name and (names := as_names(table.obs[by_name[key]])).is_unique:
            table = table.copy()
            table.obs_names = names
            decisions.say(f"{what}: names from column '{by_name[key]}'")
            return table
    return table


def _kinds(table: AnnData) -> np.ndarray:
    """The kind of every feature that is no gene, by a column of ``var``; empty for genes, (n_features,)."""
    column = next((c for c in table.var.columns if plain(c) in KIND_COLUMNS), None)
    if column is None:
        return np.full(table.n_vars, "", dtype=object)
    kinds = table.var[column].astype(str)
    other = kinds.str.fullmatch(OTHER_KINDS) & ~kinds.str.fullmatch(KEPT_KINDS)
    return np.asarray(kinds.where(other, ""), dtype=object)
