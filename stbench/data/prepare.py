"""From the raw pair to the prepared pair: filters, shared genes, scale (CausalGeD paper, section IV-A).

The prepared pair is the same for every method. All of this happens before any split.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.decisions import Decisions
from stbench.data.features import only_genes
from stbench.data.genenames import gene_names, matched
from stbench.data.limit import Limit
from stbench.data.places import places_of
from stbench.data.sections import apart
from stbench.data.tables import fractions, labels, layer_with_counts, whole_numbers
from stbench.dataset import Card
from stbench.errors import StbenchError, unknown_name
from stbench.tables import varies
from stbench.toolbox.scale import log_normalise

MIN_GENES = 500  # detected genes per cell, paper IV-A
WIDE = 5000  # without a panel on the card, a table with this many genes is a whole transcriptome
VARIABLE_SHARE = 0.25  # paper IV-A
PREPARATION = 3  # raise it when the same files give another prepared pair
LIMIT_SEED = 0
DOWNSAMPLE_SEED = 0


@dataclass(frozen=True, repr=False)
class Pair:
    """A prepared dataset.

    ``reference``: cells x all its genes, as in `stbench.task.Task`. ``spatial``: spots x the genes of the
    benchmark, ``X`` normalised over *all* genes of the file, raw values in ``layers["counts"]`` (for
    counts), ``obs["total"]`` the sum over all genes. ``report`` describes what the preparation did;
    ``measured`` are the names of all genes of the spatial file, whether in the benchmark or not.
    """

    name: str
    card: Card
    limit: Limit
    reference: AnnData
    spatial: AnnData
    report: dict[str, Any] = field(default_factory=dict)
    measured: tuple[str, ...] = ()

    def __repr__(self) -> str:
        cells, spots = self.reference.n_obs, self.spatial.n_obs
        return f"Pair '{self.name}': {cells} cells, {spots} spots, {len(self.genes)} shared genes"

    @property
    def genes(self) -> list[str]:
        """Names of the genes of the benchmark, sorted."""
        return list(self.spatial.var_names)

    @property
    def hash(self) -> str:
        """A hash of the content: values, names, coordinates, labels, units."""
        digest = hashlib.sha256(f"{self.card.units} {self.card.reference_units}".encode())
        for table in (self.reference, self.spatial):
            values = sparse.csr_matrix(table.layers.get("counts", table.X))
            values.sort_indices()
            for part in (values.indptr.astype(np.int64), values.indices.astype(np.int64), values.data):
                digest.update(np.ascontiguousarray(part).tobytes())
            digest.update("\n".join([*table.obs_names, *table.var_names]).encode())
        digest.update(self.spatial.X.data.tobytes())
        if "spatial" in self.spatial.obsm:
            digest.update(np.ascontiguousarray(self.spatial.obsm["spatial"]).tobytes())
        if "cell_type" in self.reference.obs:
            digest.update("\n".join(self.reference.obs["cell_type"].astype(str)).encode())
        return digest.hexdigest()

    def describe(self) -> str:
        """A line with the sizes, what was left out and what was inferred, and a line for each note."""
        report = self.report
        parts = [
            f"{self.name}: {report['cells']} of {report['cells_raw']} cells",
            f"{report['spots']} of {report['spots_raw']} spots",
            f"{report['genes']} of {report['genes_shared']} shared genes",
        ]
        if report["genes_constant"]:
            parts.append(f"{report['genes_constant']} constant genes left out")
        parts += [f"WARNING: {difference}" for difference in report["unexpected"]]
        inferred = ", ".join(f"{key}={value}" for key, value in report["inferred"].items())
        if inferred:
            parts.append(f"inferred {inferred}")
        return "\n".join([", ".join(parts), *(f"{self.name}: {note}" for note in report["notes"])])


def prepare(reference: AnnData, spatial: AnnData, card: Card, limit: Limit | None = None) -> Pair:
    """The prepared pair of two raw tables: filtered, subsampled, with shared genes, normalised.

    Features that are no genes leave both tables, coordinates are looked for where ``obsm["spatial"]`` is
    missing, and sections are shifted apart. The report has a note for each of that, and for measured genes
    that are not in the reference.

    Raises `StbenchError` for negative or missing values, repeated names, an empty table, no shared genes, and
    coordinates that are missing for some spots or are none.
    """
    notes = Decisions(quiet=True)
    return prepare_usable(*usable(reference, spatial, card, notes), card, notes, limit)


def prepare_usable(
    reference: AnnData, spatial: AnnData, card: Card, notes: Decisions, limit: Limit | None = None
) -> Pair:
    """As `prepare`, for the two tables that `usable` returned and the notes that it made."""
    limit = limit or Limit()
    report: dict[str, Any] = {
        "notes": notes.lines,
        "cells_raw": reference.n_obs,
        "spots_raw": spatial.n_obs,
        "reference_genes_raw": reference.n_vars,
        "spatial_genes_raw": spatial.n_vars,
        "reference_zeros_raw": _zeros(reference),
        "spatial_zeros_raw": _zeros(spatial),
    }
    card = _complete(card, reference, spatial, report)
    if card.downsample is not None:
        reference, spatial = _downsampled(card, reference, spatial)
    measured = tuple(spatial.var_names)
    rng = np.random.default_rng(LIMIT_SEED)

    reference = _rows(reference, max(card.min_genes or 0, 1), limit.cells, rng)
    spatial = _rows(spatial, 1, limit.spots, rng)
    for table, what, remedy in (
        (reference, "cell", f"lower --min-genes (now {card.min_genes}), or min_genes in card.toml"),
        (spatial, "spot", "check that X holds the raw values"),
    ):
        if table.n_obs == 0:
            raise StbenchError(f"No {what} of '{card.name}' passes the filters: {remedy}.")
    report |= {"cells": reference.n_obs, "spots": spatial.n_obs}

    reference = _normalised(reference, card.reference_units)
    spatial.obs = pd.DataFrame(
        {"total": np.asarray(spatial.X.sum(axis=1, dtype=np.float64)).ravel()}, index=spatial.obs_names
    )
    spatial = _normalised(spatial, card.units)
    reference.var = pd.DataFrame({"highly_variable": _most_variable(reference)}, index=reference.var_names)
    genes = _choose_genes(reference, spatial, card, limit, report)
    spatial = spatial[:, genes].copy()
    for values in (spatial.X, *spatial.layers.values()):
        values.sort_indices()  # the same bytes whatever the order of genes in the file
    spatial.var = pd.DataFrame(index=spatial.var_names)
    report["unexpected"] = _unexpected(card, report) if limit == Limit() else []
    return Pair(card.name, card, limit, reference, spatial, report, measured)


def usable(reference: AnnData, spatial: AnnData, card: Card, notes: Decisions) -> tuple[AnnData, AnnData]:
    """The two tables with genes only, their names matched where the card says so, and with coordinates.

    ``notes`` gets what was done, and what a user should know. Raises as `prepare`.
    """
    tables = []
    for table, part in ((reference, "reference"), (spatial, "spatial table")):
        what = f"{part} of '{card.name}'"
        require_values(table, what)
        table = only_genes(table, part, notes)
        require_usable(table, what)
        tables.append(table)
        if whole_numbers(table.X):
            continue
        if text := fractions(table):
            notes.warn(f"{part}: {text}: all are treated as intensities")
        elif layer := layer_with_counts(table):
            notes.warn(f"{part}: X has no counts and is taken as intensities, although '{layer}' has counts")
    reference, spatial = tables
    if "cell_type" in reference.obs:
        types = labels(reference.obs["cell_type"])
        if missing := int(types.isna().sum()):
            reference = reference.copy()
            reference.obs["cell_type"] = pd.Categorical(types)
            notes.warn(f"reference: {missing} of {len(types)} cells have no label: methods cluster the cells")
        if missing == len(types):
            del reference.obs["cell_type"]
    places = places_of(spatial, None, notes)
    if places is not None:
        spatial.obsm["spatial"], _ = apart(places, spatial.obs, card.sections, notes)
    found = gene_names(reference, spatial)
    if found.explained and card.match_genes:
        reference, spatial = matched(reference, spatial, found)
        notes.say(f"{found}. The names were matched")
        for table, what in ((reference, "reference"), (spatial, "spatial table")):
            require_usable(table, f"{what} of '{card.name}' with the matched names")
    elif found.reasons:
        notes.warn(f"{found}{found.advice}")
    return reference, spatial


def require_values(table: AnnData, what: str) -> None:
    """Raise `StbenchError` for a table without values in ``X``."""
    if table.X is None:
        layer = layer_with_counts(table)
        hint = f" Its layer '{layer}' has counts." if layer else ""
        raise StbenchError(f"The {what} has no X.{hint} Put the raw values into X, or name their layer.")


def require_usable(table: AnnData, what: str) -> None:
    """Raise `StbenchError` for a table that cannot be prepared; ``what`` names it in the message.

    Such a table is empty, has repeated names, or values that are negative, NaN or infinite.
    """
    if 0 in table.shape:
        raise StbenchError(f"The {what} is empty ({table.n_obs} x {table.n_vars}).")
    for names, kind in ((table.var_names, "gene"), (table.obs_names, "cell or spot")):
        if not names.is_unique:
            repeated = names[names.duplicated()][0]
            raise StbenchError(
                f"The {what} has the {kind} '{repeated}' more than once. Keep one of each, or rename them."
            )
    values = _csr(table).data
    if not np.isfinite(values).all():
        raise StbenchError(f"The {what} has NaN or infinite values. Give raw counts or intensities.")
    if (values < 0).any():
        raise StbenchError(
            f"The {what} has negative values. Give raw counts or intensities, not scaled data."
        )


def _zeros(table: AnnData) -> float:
    """Share of the values that are zero."""
    return float(1 - _csr(table).nnz / (table.n_obs * table.n_vars))


def _unexpected(card: Card, report: dict[str, Any]) -> list[str]:
    """The differences between the report and the card's published figures; zeros may differ by rounding."""
    known = [key for key, value in report.items() if isinstance(value, int | float)]
    found = []
    for key, value in card.expected.items():
        if key not in known:
            raise StbenchError(f"Card '{card.name}', [expected]: {unknown_name('figure', key, known)}")
        if abs(report[key] - value) > (0.01 if "zeros" in key else 0):
            found.append(f"{key} is {report[key]:.6g}, the card expects {value:.6g}")
    return found


def _downsampled(card: Card, *tables: AnnData) -> list[AnnData]:
    """The tables after a seeded draw that keeps every count with the probability ``card.downsample``."""
    share = card.downsample or 0.0
    if not 0 < share < 1 or {card.units, card.reference_units} != {"counts"}:
        raise StbenchError(
            f"Card '{card.name}': downsample takes a share between 0 and 1, and counts on both sides "
            f"(here {share:g}, {card.reference_units} and {card.units})."
        )
    rng = np.random.default_rng(DOWNSAMPLE_SEED)
    thinned = []
    for table in tables:
        values = _csr(table).copy()
        values.data = rng.binomial(values.data.astype(np.int64), share).astype(np.float32)
        thinned.append(AnnData(values, obs=table.obs, var=table.var, obsm=dict(table.obsm)))
    return thinned


def _complete(card: Card, reference: AnnData, spatial: AnnData, report: dict[str, Any]) -> Card:
    """The card with every rule filled in; the report lists the rules that were inferred from the tables."""
    inferred: dict[str, Any] = {}
    if card.units is None:
        inferred["units"] = _units(spatial)
    if card.reference_units is None:
        inferred["reference_units"] = _units(reference)
    if card.panel is None:
        inferred["panel"] = "transcriptome" if spatial.n_vars >= WIDE else "targeted"
    if card.min_genes is None:
        inferred["min_genes"] = MIN_GENES if reference.n_vars >= WIDE else 1
    report["inferred"] = inferred
    return replace(card, **inferred)


def _units(table: AnnData) -> str:
    return "counts" if whole_numbers(_csr(table)) else "intensity"


def _csr(table: AnnData) -> sparse.csr_matrix:
    """The values as CSR without stored zeros, float32 as measured."""
    if not (isinstance(table.X, sparse.csr_matrix) and table.X.dtype == np.float32):
        table.X = sparse.csr_matrix(table.X, dtype=np.float32)
    table.X.eliminate_zeros()
    return table.X


def _rows(table: AnnData, min_genes: int, limit: int | None, rng: np.random.Generator) -> AnnData:
    """The rows with ``min_genes`` detected genes, at most ``limit`` of them (a seeded draw, in order)."""
    rows = np.flatnonzero(np.diff(_csr(table).indptr) >= min_genes)
    if limit is not None and len(rows) > limit:
        rows = np.sort(rng.choice(rows, limit, replace=False))
    kept = AnnData(
        _csr(table)[rows], obs=table.obs.iloc[rows].copy(), var=pd.DataFrame(index=table.var_names)
    )
    if "spatial" in table.obsm:
        kept.obsm["spatial"] = np.asarray(table.obsm["spatial"])[rows]
    return kept


def _normalised(table: AnnData, units: str | None) -> AnnData:
    """``X`` on the benchmark's scale: Eq. 4 for counts (kept as a layer), ``log1p`` for intensities."""
    if units == "counts":
        table.layers["counts"] = table.X
        table.X = log_normalise(table.X)
    else:
        table.X = table.X.log1p()
    return table


def variance(values: sparse.csr_matrix) -> np.ndarray:
    """Variance of every column, (n_genes,), without densifying."""
    values = values.astype(np.float64)
    mean = np.asarray(values.mean(axis=0)).ravel()
    return np.asarray(np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2)


def _most_variable(reference: AnnData) -> np.ndarray:
    """A mask of the 25 % of reference genes with the largest variance of ``X``."""
    order = np.argsort(-variance(reference.X), kind="stable")
    return np.isin(np.arange(reference.n_vars), order[: int(VARIABLE_SHARE * reference.n_vars)])


def _choose_genes(
    reference: AnnData, spatial: AnnData, card: Card, limit: Limit, report: dict[str, Any]
) -> list[str]:
    """The genes of the benchmark, sorted by name."""
    shared = sorted(set(reference.var_names) & set(spatial.var_names))
    report["genes_shared"] = len(shared)
    if not shared:
        found = gene_names(reference, spatial)
        raise StbenchError(
            f"The two tables of '{card.name}' share no gene names. They have, for example, "
            f"'{reference.var_names[0]}' and '{spatial.var_names[0]}'.{found.why_none}"
        )
    scores = pd.Series(variance(spatial[:, shared].X), index=shared)
    usable = varies(spatial[:, shared].X) & varies(reference[:, shared].X)
    report["genes_constant"] = int((~usable).sum())
    scores = scores[usable].sort_values(ascending=False, kind="stable")
    keep = len(scores) if limit.genes is None else min(len(scores), limit.genes)
    if card.panel == "transcriptome":
        variable = int(reference.var["highly_variable"].sum())
        keep = min(keep, int(VARIABLE_SHARE * variable))
        report["genes_variable_in_reference"] = variable
    report["genes"] = keep
    return sorted(scores.index[:keep])
