"""Prints the card and the health report of a dataset, as text for people or as JSON."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stbench.data.checksums import source
from stbench.data.sources import Dataset

if TYPE_CHECKING:
    from stbench.data.check import Fitness


def show(dataset: Dataset, *, as_json: bool) -> bool:
    """Whether a dataset is fit for the benchmark. Prints its card and health report, or how to get it."""
    if dataset.problem is not None:
        if as_json:
            print(json.dumps({"card": asdict(dataset.card), "problem": dataset.problem}, indent=1))
        else:
            _card(dataset)
            print(f"\nNot here: {dataset.problem}")
        return False
    from stbench.data.check import check_pair

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report has what anndata warns about
        found = check_pair(*dataset.load(), dataset.card)
    if as_json:
        print(json.dumps(asdict(found) | {"fit": found.fit}, indent=1))
        return found.fit
    _card(dataset)
    print()
    _figures(found)
    print()
    for finding in found.findings:
        print(f"{finding.level}: {finding.text}")
    care = any(finding.level == "care" for finding in found.findings)
    print(("FIT, with care" if care else "FIT") if found.fit else "NOT FIT for the benchmark")
    return found.fit


def _card(dataset: Dataset) -> None:
    for key, value in asdict(dataset.card).items():
        if key == "files":
            for file in value.values():
                _line(
                    "raw file",
                    f"{file['repository']} {file['commit']} {file['path']} ({file['bytes']} bytes)",
                )
        elif key == "records":
            for number, name in value.items():
                _line("record", f"https://zenodo.org/records/{number} ('{name}')")
        elif value not in ("", None, {}, [], False):
            _line(key, value)
    if dataset.folder is not None:
        _line("folder", f"{dataset.folder} ({dataset.loader})")
        if origin := source(dataset.folder):
            _line("fetched from", origin)


def _figures(found: Fitness) -> None:
    for what, side in (("reference", found.reference), ("spatial", found.spatial)):
        if side is not None:
            medians = f"median total {side.median_total:.6g}, median genes {side.median_genes:.6g}"
            size = f"{side.rows} x {side.genes} genes, {side.zeros:.1%} zeros"
            _line(what, f"{size}, {medians}, {side.constant_genes} constant genes")
    _line("shared genes", f"{found.shared_genes}, in the benchmark {found.benchmark_genes or 'none'}")
    if (s := found.structure) is not None:
        null = f"shuffled names {s.null:.2f}, p = {s.p:.3f}, {s.genes} genes"
        _line("gene-gene", f"correlations agree by r = {s.r:.2f} ({null})")
        _line("mean expression", f"rho = {s.mean_rho:.2f}")
    if (p := found.pattern) is not None:
        genes = ", ".join(f"{gene} {value:.2f}" for gene, value in list(p.top.items())[:4])
        null = f"shuffled spots {p.null:.2f}, p = {p.p:.3f}"
        _line("Moran's I", f"{genes}; mean of the top {len(p.top)} {p.mean:.2f} ({null})")


def _line(key: str, value: Any) -> None:
    print(f"{key:20}{value}")
