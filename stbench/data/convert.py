"""Makes a pair of two tables: raw counts in ``X``, coordinates in ``obsm["spatial"]``, genes in columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.columns import as_names, generated, plain
from stbench.data.decisions import Decisions
from stbench.data.features import only_genes
from stbench.data.genenames import gene_names, matched, normal
from stbench.data.places import places_of, read_coordinates, read_frame
from stbench.data.prepare import require_usable
from stbench.data.read import is_text, read_table
from stbench.data.sections import ONE, apart
from stbench.data.sources import CARD_FILE, known_cards
from stbench.data.tables import (
    cell_types,
    fractions,
    labels,
    layer_with_counts,
    layers_of,
    whole_numbers,
    with_layer,
)
from stbench.errors import StbenchError, unknown_name
from stbench.files import whole_folder

SECTION = "section"  # the column of obs that is written
HALF = 0.5  # of the names of rows, or of columns
MIN_ROWS = 10  # cells or spots; fewer are no table of counts


@dataclass(frozen=True)
class Sources:
    """The parts of a pair, and how to read them; what is None is found in the tables.

    ``coordinates`` and ``labels`` are tables for the spots and the cells, ``spatial_key`` is the key of
    ``obsm`` with coordinates, ``cell_type`` the column with labels. A layer may be ``raw``, which is
    ``.raw``. ``sections`` is a column of the spatial ``obs``, or ``one``. ``match_genes`` matches names that
    differ in writing. With ``strict``, a guess is an error.
    """

    reference: Path
    spatial: Path
    coordinates: Path | None = None
    reference_layer: str | None = None
    spatial_layer: str | None = None
    cell_type: str | None = None
    spatial_key: str | None = None
    labels: Path | None = None
    sections: str | None = None
    match_genes: bool = False
    strict: bool = False


def convert(sources: Sources, out: Path) -> None:
    """Write the pair of ``sources`` into the new folder ``out``; every decision is logged.

    Raises `StbenchError` where ``out`` exists, a table cannot be read or holds what is no raw data, a layer
    or column does not exist, the two tables share no gene name, or a strict conversion would have to guess.

    Examples
    --------
    >>> from pathlib import Path
    >>> from stbench.data.convert import Sources, convert
    >>> convert(Sources(reference=Path("cells.h5ad"), spatial=Path("truth.h5ad")), out=Path("my_tissue"))
    """
    if out.exists():
        raise StbenchError(f"'{out}' exists. Choose another folder with --out, or remove it.")
    if out.name in (cards := known_cards()):
        where = "comes with stbench" if cards[out.name].loader else "is a public dataset with a card"
        raise StbenchError(f"'{out.name}' {where}: choose another name with --out.")
    known = Decisions(sources.strict)
    tables = read_table(sources.reference, known), read_table(sources.spatial, known)
    reference, spatial = _oriented(sources, *tables, known)
    reference = _raw(reference, sources.reference_layer, "reference", known)
    spatial = _raw(spatial, sources.spatial_layer, "spatial table", known)
    types = _labels(reference, sources, known)
    places: np.ndarray | None
    if sources.coordinates is not None:
        places = read_coordinates(sources.coordinates, spatial.obs_names, known)
    else:
        places = places_of(spatial, sources.spatial_key, known)
    obs = pd.DataFrame(index=spatial.obs_names)
    if places is None:
        known.warn("spatial table: no coordinates; give a table of them with --coordinates")
    else:
        places, column = apart(places, spatial.obs, sources.sections, known)
        if column is not None:
            obs[SECTION] = spatial.obs[column].astype(str).to_numpy()
    reference, spatial = _matched(reference, spatial, sources, known)
    with whole_folder(out) as part:
        _plain(reference, "reference", types, known).write_h5ad(part / "sc.h5ad")
        plain_spatial = _plain(spatial, "spatial table", obs, known)
        if places is not None:
            plain_spatial.obsm["spatial"] = places.astype(np.float32)
        plain_spatial.write_h5ad(part / "st.h5ad")
        if sources.sections == ONE:
            (part / CARD_FILE).write_text(f'sections = "{ONE}"\n')
    shared = len(set(reference.var_names) & set(spatial.var_names))
    cells = f"{reference.n_obs} cells x {reference.n_vars} genes"
    spots = f"{spatial.n_obs} spots x {spatial.n_vars} genes"
    known.say(f"{out}: {cells}, {spots}, {shared} shared")


def _oriented(
    sources: Sources, reference: AnnData, spatial: AnnData, known: Decisions
) -> tuple[AnnData, AnnData]:
    """Both tables with genes in columns: a table is transposed where the two then share more names.

    Names that are only numbers of rows count for nothing, and a table of a format that knows cells from genes
    is transposed only where the two share no gene otherwise.
    """
    paths = sources.reference, sources.spatial
    names = [
        [
            set() if generated(index) else set(map(normal, index))
            for index in (table.var_names, table.obs_names)
        ]
        for table in (reference, spatial)
    ]
    ways = [(_alike(names[0][a], names[1][b]), a, b) for a in (False, True) for b in (False, True)]
    as_is, both = ways[0][0], ways[-1][0]
    if as_is:
        texts = [is_text(path) for path in paths]
        ways = [way for way in ways if (texts[0] or not way[1]) and (texts[1] or not way[2])]
    if len(ways) == 4 and min(as_is, both) > HALF:
        known.guess(
            "both tables share names of rows and of columns; genes are taken to be in columns",
            "give cells and spots names of their own",
        )
        ways = ways[:1]
    _, turn_reference, turn_spatial = max(ways, key=lambda way: way[0])
    if turn_reference:
        known.say(f"{sources.reference.name}: genes are in rows")
        reference = reference.T
    if turn_spatial:
        known.say(f"{sources.spatial.name}: genes are in rows")
        spatial = spatial.T
    for table, path, rows in ((reference, sources.reference, "cells"), (spatial, sources.spatial, "spots")):
        if table.n_obs < MIN_ROWS:
            columns, lines = (
                ", ".join(map(repr, map(str, a[:2]))) for a in (table.var_names, table.obs_names)
            )
            raise StbenchError(
                f"'{path}' has {table.n_obs} {rows} x {table.n_vars} genes: this is no table of counts. "
                f"Its first columns are {columns}, its first rows {lines}."
            )
    return reference, spatial


def _alike(first: set[str], second: set[str]) -> float:
    """The share of the shorter list of names that is in the other."""
    return len(first & second) / max(min(len(first), len(second)), 1)


def _raw(table: AnnData, layer: str | None, what: str, known: Decisions) -> AnnData:
    """The table with raw values in ``X`` and genes only, from the requested layer or from one with counts.

    Raises `StbenchError` for negative, missing and infinite values.
    """
    if layer is not None:
        table = with_layer(table, layer, what)
    elif table.X is None or not whole_numbers(table.X):
        layer = layer_with_counts(table)
        if layer is not None:
            known.say(f"{what}: X does not hold counts, the counts in '{layer}' are taken")
            table = with_layer(table, layer, what)
        elif table.X is None:
            raise StbenchError(
                f"The {what} has no X and no layer with counts. Name one with --{_flag(what)}."
            )
    others = ", ".join(map(repr, layers_of(table))) or "none"
    table = only_genes(table, what, known)
    values = sparse.csr_matrix(table.X)
    if values.nnz and values.data.min() < 0:
        raise StbenchError(
            f"The {what} has negative values, as scaled data have. Give raw counts or intensities: another "
            f"file, or a layer with --{_flag(what)} (here: {others})."
        )
    if not np.isfinite(values.data).all():
        raise StbenchError(f"The {what} has NaN or infinite values. Give raw counts or intensities.")
    if not whole_numbers(values):
        text = fractions(table)
        known.warn(
            f"{what}: {text}: all are treated as intensities"
            if text
            else f"{what}: values are not whole numbers and are kept as they are"
        )
    return table


def _flag(what: str) -> str:
    return "reference-layer" if what == "reference" else "spatial-layer"


def _labels(reference: AnnData, sources: Sources, known: Decisions) -> pd.DataFrame:
    """``cell_type`` of the cells, from the file of labels or from a column of ``obs``."""
    if sources.labels is None:
        types = cell_types(reference, sources.cell_type)
    else:
        types = _labels_in(sources.labels, sources.cell_type, reference.obs_names, known)
    if "cell_type" in types and (missing := int(types["cell_type"].isna().sum())):
        known.warn(f"reference: {missing} of {len(types)} cells have no label")
    return types


def _labels_in(file: Path, column: str | None, names: pd.Index, known: Decisions) -> pd.DataFrame:
    """``cell_type`` from the table in ``file``; its rows are matched to the cells by their names."""
    table = read_frame(file)
    keys = [c for c in table.columns if as_names(table[c]).isin(names.astype(str)).mean() > 0]
    key = max(keys, key=lambda c: as_names(table[c]).isin(names.astype(str)).sum(), default=None)
    by_index = as_names(table.index).isin(names.astype(str)).any()
    if key is None and not by_index:
        first, second = (", ".join(map(repr, map(str, some[:2]))) for some in (names, table.iloc[:, 0]))
        raise StbenchError(
            f"File '{file}' has no names of cells: cells are {first}, its first rows {second}."
        )
    rows = table.set_axis(as_names(table.index if key is None else table[key]))
    rows = rows[~rows.index.duplicated()].reindex(names.astype(str))
    others = [c for c in table.columns if c != key]
    wanted = ("celltype", "celltypes", "label", "labels", "cluster", "annotation", "type", "class")
    chosen = column or next((c for name in wanted for c in others if plain(c) == name), None)
    if chosen is None and len(others) == 1:
        chosen = others[0]
    if chosen is None or chosen not in table.columns:
        raise unknown_name(f"column of '{file}' with labels (--cell-type)", column or "", map(str, others))
    known.say(f"{file.name}: labels from column '{chosen}'")
    found = pd.DataFrame(index=names)
    found["cell_type"] = pd.Categorical(labels(rows[chosen]).to_numpy())
    return found


def _matched(
    reference: AnnData, spatial: AnnData, sources: Sources, known: Decisions
) -> tuple[AnnData, AnnData]:
    """Both tables, with the names of genes matched on request; an error where they share none."""
    found = gene_names(reference, spatial)
    if found.explained and sources.match_genes:
        known.say(f"genes: {found}. The names were matched")
        reference, spatial = matched(reference, spatial, found)
    elif found.shared == 0:
        raise StbenchError(
            f"'{sources.reference}' and '{sources.spatial}' share no gene name. "
            f"They have, for example, '{reference.var_names[0]}' and '{spatial.var_names[0]}'."
            f"{found.why_none}"
        )
    elif found.reasons:
        known.warn(f"genes: {found}{found.advice}")
    else:
        known.say(f"genes: {found}")
    return reference, spatial


def _plain(table: AnnData, what: str, obs: pd.DataFrame, known: Decisions) -> AnnData:
    """Counts, names and labels only; repeated names get a suffix, as in scanpy."""
    made = AnnData(
        sparse.csr_matrix(table.X, dtype=np.float32),
        obs=obs.set_axis(table.obs_names.astype(str)),
        var=pd.DataFrame(index=table.var_names.astype(str)),
    )
    for names, noun in ((made.var_names, "gene"), (made.obs_names, "row")):
        if not names.is_unique:
            known.warn(f"{what}: {names.duplicated().sum()} repeated {noun} names got a suffix")
    made.var_names_make_unique()
    made.obs_names_make_unique()
    require_usable(made, what)
    return made
