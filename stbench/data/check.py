"""Whether a pair is fit for the benchmark: findings that stop it, that need care, and that are only notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from anndata import AnnData

from stbench.data.decisions import Decisions
from stbench.data.genenames import DATES
from stbench.data.health import Pattern, Side, Structure, pattern, side, structure
from stbench.data.prepare import Pair, prepare_usable, usable
from stbench.data.split import N_FOLDS
from stbench.dataset import Card
from stbench.errors import StbenchError

Level = Literal["stop", "care", "note"]
Found = Iterator[tuple[Level, str]]

WRONG = 0.1  # agreement of gene-gene correlations; below it the two tables do not belong together
WEAK = 0.2  # sound pairs of this project have .39 to .67
FEW_GENES = 50  # five test genes per rotation
FEW_ROWS = 250
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Finding:
    """One finding in a sentence or two, and how serious it is."""

    level: Level
    text: str


@dataclass(frozen=True)
class Fitness:
    """The figures and findings of a pair; a figure that could not be computed is None."""

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
    """Figures and findings of a raw pair; a pair that cannot be prepared gives a finding, not an error.

    Examples
    --------
    >>> from stbench.data.check import check_pair
    >>> from stbench.dataset import Card
    >>> check_pair(adata_sc, adata_sp, Card("mine")).fit
    True
    """
    cells: Side | None = None
    spots: Side | None = None
    notes = Decisions(quiet=True)
    try:
        reference, spatial = usable(reference, spatial, card, notes)
        cells, spots = side(reference), side(spatial)
        pair = prepare_usable(reference, spatial, card, notes)
    except StbenchError as error:
        shared = len(set(reference.var_names) & set(spatial.var_names))
        stop = Finding("stop", str(error))
        return Fitness(card, cells, spots, shared, None, None, None, (*_of_notes(notes), stop))
    units = {"reference_units": pair.card.reference_units or "counts", "units": pair.card.units or "counts"}
    agreement = structure(reference, spatial, **units)
    autocorrelation = pattern(spatial, units=units["units"])
    found = (
        *((note.level, note.text) for note in _of_notes(notes)),
        *_of_sizes(pair),
        *_of_values(pair, spots, sorted({*reference.var_names, *spatial.var_names})),
        *_of_structure(agreement),
        *_of_pattern(autocorrelation, has_coordinates="spatial" in spatial.obsm),
    )
    findings = tuple(Finding(level, text) for level, text in found)
    shared = pair.report["genes_shared"]
    return Fitness(pair.card, cells, spots, shared, len(pair.genes), agreement, autocorrelation, findings)


def _of_notes(notes: Decisions) -> tuple[Finding, ...]:
    """What the preparation did or noticed; what a user should look at needs care."""
    return tuple(Finding("care" if line in notes.warnings else "note", f"{line}.") for line in notes.lines)


def _of_sizes(pair: Pair) -> Found:
    report, n_genes = pair.report, len(pair.genes)
    if n_genes < N_FOLDS:
        yield "stop", f"Only {n_genes} shared genes vary on both sides; {N_FOLDS} are needed to split them."
    elif n_genes < FEW_GENES:
        tested = sorted({n_genes // N_FOLDS, -(-n_genes // N_FOLDS)})
        numbers = " or ".join(map(str, tested))
        yield "care", f"Only {n_genes} genes: one split tests {numbers} of them. Use --splits 10."
    for what in ("cells", "spots"):
        now, raw = report[what], report[f"{what}_raw"]
        if now < raw / 2:
            yield "care", f"Only {now} of {raw} {what} pass the filters (min_genes = {pair.card.min_genes})."
        if now < FEW_ROWS:
            yield "care", f"Only {now} {what}: scores will be uncertain."
    for difference in report["unexpected"]:
        yield "care", f"Unlike its card: {difference}."
    if report["genes_constant"]:
        yield "note", f"{report['genes_constant']} shared genes never vary on one side and are left out."


def _of_values(pair: Pair, spatial: Side, names: list[str]) -> Found:
    for what, units in (("reference", pair.card.reference_units), ("spatial table", pair.card.units)):
        if units == "intensity":
            text = f"The {what} holds intensities, not whole numbers: count models will be unsupported."
            yield "care", f"{text} Where raw counts exist, give those."
    if spatial.repeated_rows:
        yield "care", f"{spatial.repeated_rows} of {spatial.rows} spots are exact copies of another."
    dates = [name for name in names if DATES.fullmatch(name)]
    if dates:
        text = f"{len(dates)} gene names are dates made by a spreadsheet ({dates[0]})."
        yield "care", f"{text} Take the original names."
    if "cell_type" not in pair.reference.obs:
        yield "note", "The reference has no obs['cell_type']: methods that use labels will run without them."


def _of_structure(found: Structure | None) -> Found:
    if found is None:
        yield "care", "Too few shared genes are seen on both sides to tell whether the pair belongs together."
        return
    agreement = f"the gene-gene correlations of the two sides agree by r = {found.r:.2f}"
    if not (found.p <= SIGNIFICANT and found.r >= WRONG):
        text = f"Wrong pairing: {agreement}, as they do with shuffled gene names (up to {found.null:.2f})."
        yield "stop", f"{text} Check the gene names and the tissue of both."
    elif found.r < WEAK:
        text = f"Weak pairing: {agreement} only (shuffled names: {found.null:.2f}; sound pairs: over {WEAK})."
        yield "care", f"{text} Causes: other patients, another region, very few or noisy cells."


def _of_pattern(found: Pattern | None, *, has_coordinates: bool) -> Found:
    if not has_coordinates:
        text = "No coordinates in obsm['spatial']: methods and metrics that need them will be unsupported."
        yield "care", text
    elif found is None:
        yield "care", "Too few spots for a spatial pattern."
    elif found.p > SIGNIFICANT:
        text = f"Spatially uninformative: the {len(found.top)} highest Moran's I average {found.mean:.2f}, no"
        yield "care", f"{text} more than with shuffled spots (up to {found.null:.2f})."
