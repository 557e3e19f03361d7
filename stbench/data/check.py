"""Whether a pair is fit for the benchmark: findings that stop it, ask for care, or are worth knowing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from anndata import AnnData

from stbench.data.health import Pattern, Side, Structure, pattern, side, structure
from stbench.data.prepare import Pair, prepare, require_usable
from stbench.data.split import N_FOLDS
from stbench.dataset import Card
from stbench.errors import StbenchError

Level = Literal["stop", "care", "note"]

WRONG = 0.1  # agreement of gene-gene correlations; below it the two tables do not belong together
WEAK = 0.2  # sound pairs of this project have .39 to .67
FEW_GENES = 50  # five test genes per rotation
FEW_ROWS = 250
SIGNIFICANT = 0.01
DATES = re.compile(r"\d{1,2}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", re.IGNORECASE)
ENSEMBL = re.compile(r"ENS[A-Z]*G\d{11}")


@dataclass(frozen=True)
class Finding:
    """One sentence, and whether it stops the benchmark, asks for care, or is only worth knowing."""

    level: Level
    text: str


@dataclass(frozen=True)
class Fitness:
    """The figures of a pair and what they mean; parts are None where they could not be computed."""

    card: Card
    reference: Side | None
    spatial: Side | None
    shared_genes: int
    benchmark_genes: int | None
    structure: Structure | None
    pattern: Pattern | None
    findings: tuple[Finding, ...]

    @property
    def fit(self) -> bool:
        """Whether nothing stops the benchmark."""
        return all(finding.level != "stop" for finding in self.findings)


def check_pair(reference: AnnData, spatial: AnnData, card: Card) -> Fitness:
    """Figures and findings of a raw pair; a pair that cannot be prepared gives a finding, not an error."""
    shared = len(set(reference.var_names) & set(spatial.var_names))
    try:
        require_usable(reference, "reference")
        require_usable(spatial, "spatial table")
    except StbenchError as error:
        return Fitness(card, None, None, shared, None, None, None, (Finding("stop", str(error)),))
    sides = side(reference), side(spatial)
    try:
        pair = prepare(reference, spatial, card)
    except StbenchError as error:
        stop = Finding("stop", f"{error}{_ensembl(reference, spatial)}")
        return Fitness(card, *sides, shared, None, None, None, (stop,))
    units = {"reference_units": pair.card.reference_units or "counts", "units": pair.card.units or "counts"}
    agreement = structure(reference, spatial, **units)
    autocorrelation = pattern(spatial, units=units["units"])
    findings = (
        *_of_sizes(pair),
        *_of_values(pair, sides[1], sorted({*reference.var_names, *spatial.var_names})),
        *_of_structure(agreement),
        *_of_pattern(autocorrelation, has_coordinates="spatial" in spatial.obsm),
    )
    return Fitness(pair.card, *sides, shared, len(pair.genes), agreement, autocorrelation, findings)


def _of_sizes(pair: Pair) -> list[Finding]:
    found = []
    report, n_genes = pair.report, len(pair.genes)
    if n_genes < N_FOLDS:
        text = f"Only {n_genes} shared genes vary on both sides; {N_FOLDS} are needed to split them."
        found.append(Finding("stop", text))
    elif n_genes < FEW_GENES:
        tested = sorted({n_genes // N_FOLDS, -(-n_genes // N_FOLDS)})
        text = f"Only {n_genes} genes: one split tests {' or '.join(map(str, tested))} of them."
        found.append(Finding("care", f"{text} Use --splits 10."))
    for what, now, raw in (("cells", "cells", "cells_raw"), ("spots", "spots", "spots_raw")):
        if report[now] < report[raw] / 2:
            text = f"Only {report[now]} of {report[raw]} {what} pass the filters (min_genes = "
            found.append(Finding("care", f"{text}{pair.card.min_genes})."))
        if report[now] < FEW_ROWS:
            found.append(Finding("care", f"Only {report[now]} {what}: scores will be uncertain."))
    if report["genes_differing_in_case"]:
        names = report["genes_differing_in_case"]
        text = f"{len(names)} genes differ in upper and lower case only ({names[0]}) and are not matched."
        found.append(Finding("care", f"{text} Spell them alike."))
    found += [Finding("care", f"Unlike its card: {difference}.") for difference in report["unexpected"]]
    if report["genes_constant"]:
        text = f"{report['genes_constant']} shared genes never vary on one side and are left out."
        found.append(Finding("note", text))
    return found


def _of_values(pair: Pair, spatial: Side, names: list[str]) -> list[Finding]:
    found = []
    for what, units in (("reference", pair.card.reference_units), ("spatial table", pair.card.units)):
        if units == "intensity":
            text = f"The {what} holds intensities, not whole numbers: count models will be unsupported."
            found.append(Finding("care", f"{text} Where raw counts exist, give those."))
    if spatial.repeated_rows:
        text = f"{spatial.repeated_rows} of {spatial.rows} spots are exact copies of another."
        found.append(Finding("care", text))
    dates = [name for name in names if DATES.fullmatch(name)]
    if dates:
        text = f"{len(dates)} gene names are dates made by a spreadsheet ({dates[0]})."
        found.append(Finding("care", f"{text} Take the original names."))
    if "cell_type" not in pair.reference.obs:
        text = "The reference has no obs['cell_type']: methods that use labels will run without them."
        found.append(Finding("note", text))
    return found


def _of_structure(found: Structure | None) -> list[Finding]:
    if found is None:
        text = "Too few shared genes are seen on both sides to tell whether the pair belongs together."
        return [Finding("care", text)]
    agreement = f"the gene-gene correlations of the two sides agree by r = {found.r:.2f}"
    if not (found.p <= SIGNIFICANT and found.r >= WRONG):
        text = f"Wrong pairing: {agreement}, as they do with shuffled gene names (up to {found.null:.2f})."
        return [Finding("stop", f"{text} Check the gene names and the tissue of both.")]
    if found.r < WEAK:
        text = f"Weak pairing: {agreement} only (shuffled names: {found.null:.2f}; sound pairs: over {WEAK})."
        return [Finding("care", f"{text} Causes: other patients, another region, very few or noisy cells.")]
    return []


def _of_pattern(found: Pattern | None, *, has_coordinates: bool) -> list[Finding]:
    if not has_coordinates:
        text = "No coordinates in obsm['spatial']: methods and metrics that need them will be unsupported."
        return [Finding("care", text)]
    if found is None:
        return [Finding("care", "Too few spots for a spatial pattern.")]
    if found.p > SIGNIFICANT:
        text = f"Spatially uninformative: the {len(found.top)} highest Moran's I average {found.mean:.2f}, no"
        return [Finding("care", f"{text} more than with shuffled spots (up to {found.null:.2f}).")]
    return []


def _ensembl(reference: AnnData, spatial: AnnData) -> str:
    """A hint where one side is named by Ensembl ids and the other is not."""
    by_id = [bool(ENSEMBL.match(str(table.var_names[0]))) for table in (reference, spatial)]
    if by_id[0] == by_id[1]:
        return ""
    what = "reference" if by_id[0] else "spatial table"
    return f" The {what} is named by Ensembl ids: use symbols on both."
