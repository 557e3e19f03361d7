"""How the gene names of the two tables fit together: what is shared, why the rest is not, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, reduce
from importlib.resources import files

import numpy as np
import pandas as pd
from anndata import AnnData

from stbench.data.columns import plain

ENSEMBL = re.compile(r"ENS[A-Z]*G\d{6,}(\.\d+)?")
DATES = re.compile(r"\d{1,2}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", re.IGNORECASE)
NAME_COLUMNS = {  # of var, with other names of the genes
    *("featurename", "genesymbols", "genesymbol", "symbol", "symbols", "genename", "genenames"),
    *("geneids", "geneid", "ensemblid", "ensembl", "ensemblids", "featureid", "featureids", "genes"),
    *("gene", "accession", "genesshort", "geneshortname", "hgncsymbol", "mgisymbol"),
    *("featureskey", "index"),
}
SHOWN = 3
REMEDY = ". To match them: --match-genes, match_genes=True in Python, or match_genes = true in card.toml"


def _spaces(name: str) -> str:
    return "".join(name.split())


def _version(name: str) -> str:
    return re.sub(r"\.\d+$", "", name) if ENSEMBL.fullmatch(name) else name


def _prefix(name: str) -> str:
    return re.sub(
        r"^(GRC[hm]\d+|hg\d+|mm\d+|human|mouse|homo_sapiens|mus_musculus)[-_]+", "", name, flags=re.I
    )


def _r_name(name: str) -> str:
    """The name without what R's ``make.names`` changes: other signs become dots, an X goes before a digit."""
    return re.sub(r"^X(?=\d)", "", re.sub(r"[^A-Za-z0-9]", ".", name))


def _current(name: str) -> str:
    """The present symbol of a gene that was renamed, in capitals; the name itself for another gene."""
    upper = name.upper()
    if match := re.fullmatch(r"(MARCH|SEPT)(\d+)", upper):
        return {"MARCH": "MARCHF", "SEPT": "SEPTIN"}[match[1]] + match[2]
    return _renamed().get(upper, upper)


@cache
def _renamed() -> dict[str, str]:
    table = pd.read_csv(str(files("stbench.data") / "renamed_genes.csv"))
    return dict(zip(table["old"], table["new"], strict=True))


RULES: dict[str, Callable[[str], str]] = {  # why two names differ, and what makes them equal
    "spaces": _spaces,
    "the version at the end": _version,
    "the genome before the name": _prefix,
    "dots for other signs, as R writes them": _r_name,
    "upper and lower case": str.casefold,
    "a renamed gene": _current,
}


def normal(name: str) -> str:
    """The name after all of `RULES`: equal for two names that may mean the same gene."""
    return reduce(lambda changed, rule: rule(changed), RULES.values(), name)


@dataclass(frozen=True)
class GeneNames:
    """What the two tables share.

    ``reasons`` explains measured genes that are not shared, in sentences, and ``others`` are those without an
    explanation. ``renamed`` has the remedy: new names of measured genes. ``reference_column`` and
    ``spatial_column`` are the columns of ``var`` with which the tables would share more genes.
    """

    measured: int
    shared: int
    reasons: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    reference_column: str | None = None
    spatial_column: str | None = None

    @property
    def explained(self) -> bool:
        """Whether there is a remedy for some genes."""
        return bool(self.renamed or self.reference_column or self.spatial_column)

    @property
    def advice(self) -> str:
        """How to apply the remedy; empty where there is none."""
        return REMEDY if self.explained else ""

    @property
    def why_none(self) -> str:
        """The reasons and the remedy, behind an error that says that no gene is shared."""
        return f" {'. '.join(self.reasons)}{self.advice}." if self.reasons else ""

    def __str__(self) -> str:
        text = f"{self.shared} of {self.measured} measured genes are in the reference"
        rest = (
            [f"{len(self.others)} have no counterpart ({', '.join(self.others[:2])})"] if self.others else []
        )
        return ". ".join([text, *self.reasons, *rest])


def gene_names(reference: AnnData, spatial: AnnData) -> GeneNames:
    """Which measured genes are in the reference, and the likely reason where others are not."""
    known, measured = set(map(str, reference.var_names)), list(map(str, spatial.var_names))
    shared = [gene for gene in measured if gene in known]
    missing = [gene for gene in measured if gene not in known]
    if not missing:
        return GeneNames(len(measured), len(shared))
    reasons: list[str] = []
    of_reference, of_spatial = _best_columns(reference, spatial, len(shared))
    if of_reference or of_spatial:
        renamed_reference = _named_by(reference, of_reference)
        renamed_spatial = _named_by(spatial, of_spatial)
        then = set(renamed_reference) & set(renamed_spatial)
        where = " and ".join(
            f"var['{column}'] of the {what}"
            for column, what in ((of_reference, "reference"), (of_spatial, "spatial table"))
            if column
        )
        reasons.append(f"With the names in {where} it would be {len(then)}")
        known, measured = set(renamed_reference), list(renamed_spatial)
        missing = [gene for gene in measured if gene not in known]
    renamed: dict[str, str] = {}
    taken = set(measured)
    for reason, rule in {**RULES, "several of these": normal}.items():
        hits = _hits(missing, known, taken, rule)
        if hits:
            renamed |= hits
            taken |= set(hits.values())
            missing = [gene for gene in missing if gene not in hits]
            shown = ", ".join(f"{a}/{b}" for a, b in list(hits.items())[:SHOWN])
            reasons.append(f"{len(hits)} {'differs' if len(hits) == 1 else 'differ'} by {reason} ({shown})")
    if dates := [name for name in missing if DATES.fullmatch(name)]:
        are = "1 is a date" if len(dates) == 1 else f"{len(dates)} are dates"
        reasons.append(f"{are} made by a spreadsheet ({dates[0]}): take the original names")
    ids = [bool(ENSEMBL.fullmatch(name)) for name in missing]
    reference_ids = np.mean([bool(ENSEMBL.fullmatch(name)) for name in known]) > 0.5
    unlike = sum(ids) if not reference_ids else len(ids) - sum(ids) - len(dates)
    if unlike and not (of_reference or of_spatial):
        kind, other = ("symbols", "Ensembl ids") if reference_ids else ("Ensembl ids", "symbols")
        example = next(name for name, is_id in zip(missing, ids, strict=True) if is_id != reference_ids)
        if unlike == len(missing) or sum(ids):
            reasons.append(
                f"{unlike} are {kind} ({example}) while the reference has {other}: use the same on both sides"
            )
            missing = [name for name, is_id in zip(missing, ids, strict=True) if is_id == reference_ids]
    others = tuple(name for name in missing if name not in dates)
    sizes = len(spatial.var_names), len(shared)
    return GeneNames(*sizes, tuple(reasons), others, renamed, of_reference, of_spatial)


def matched(reference: AnnData, spatial: AnnData, found: GeneNames) -> tuple[AnnData, AnnData]:
    """Copies of the tables with the remedies of ``found``: the same names for the same genes."""
    reference, spatial = reference.copy(), spatial.copy()
    reference.var_names = _named_by(reference, found.reference_column)
    names = _named_by(spatial, found.spatial_column)
    spatial.var_names = [found.renamed.get(name, name) for name in names]
    return reference, spatial


def _hits(
    missing: Iterable[str], known: Iterable[str], taken: set[str], rule: Callable[[str], str]
) -> dict[str, str]:
    """The missing names that equal one known name by ``rule``; what is not unique is no hit."""
    by_key: dict[str, set[str]] = {}
    for name in known:
        by_key.setdefault(rule(name), set()).add(name)
    hits: dict[str, str] = {}
    for gene in missing:
        names = by_key.get(rule(gene), set())
        if len(names) == 1 and not names & taken and not names & set(hits.values()):
            hits[gene] = next(iter(names))
    return hits


def _best_columns(reference: AnnData, spatial: AnnData, shared: int) -> tuple[str | None, str | None]:
    """The columns of both tables with which they share the most genes; None means the names as they are."""

    def choices(table: AnnData) -> list[str | None]:
        return [None, *(column for column in table.var.columns if plain(column) in NAME_COLUMNS)]

    best: tuple[int, str | None, str | None] = shared, None, None
    for a in choices(reference):
        for b in choices(spatial):
            number = len(set(_named_by(reference, a)) & set(_named_by(spatial, b)))
            if number > best[0]:
                best = number, a, b
    return best[1], best[2]


def _named_by(table: AnnData, column: str | None) -> list[str]:
    """The names of the genes by a column of ``var``; a gene without its own name there keeps the old one."""
    names = list(map(str, table.var_names))
    if column is None:
        return names
    others = table.var[column].astype(str)
    usable = ~others.isin(["", "nan", "NA", "None"]) & ~others.duplicated(keep=False)
    return [other if ok else name for name, other, ok in zip(names, others, usable, strict=True)]
