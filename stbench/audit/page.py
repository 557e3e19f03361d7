"""The audit as a page that a reader can follow, and as a CSV table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path

import pandas as pd

from stbench.audit.audit import MASKED, Audit
from stbench.board.pipes import escape, pipe_table
from stbench.metric import REGISTRY

EXPLANATION = f"""\
# Audit of the published protocol

## What is done

The sampling code published with CausalGeD (commit 8474310, `model/sample.py`) and with SpaDiT (commit
fc8a3f9) draws a mask over {MASKED:.0%} of the non-zero entries of the test matrix. After every step, the
last one included, it replaces all entries outside the mask by the test matrix. All zeros and
{1 - MASKED:.0%} of the non-zeros of the answer that is scored are then the truth.

This page applies the same replacement, "pasted", to answers that are made here, and scores each answer
with it and without it. All answers on a dataset share one mask. The answers:

- **constant 0.5**: the same number at every spot for every gene.
- **constant 0.5 plus noise of 0.001**: the same with normal noise, so that no rule for constant columns
  applies.
- **untrained decoder**: the published decoder (layers 256, 512, 1024, number of spots; sigmoid) with the
  random weights it starts with, on random latents. By default the published code does not train it.
- **gene's mean of the pasted non-zeros**: in the masked entries the mean of those non-zero values of the gene
  that the replacement shows. It exists only with paste.
- **methods**: predictions of `stbench`, where the truth of the test genes is not in the process.

## How to read it

A score without paste says how much of the hidden gene the answer holds. The difference to the score with
paste is what the replacement adds. Where an answer that has learned nothing scores high with paste, a high
score with paste says nothing about a method.

Mean ± sd over the test genes that vary. The first table of a dataset has the metrics of this benchmark. The
second has the formulas of CausalGeD's published `evaluate.py`: truth and prediction min-max scaled per gene,
1 added to RMSE, the square root of the Jensen-Shannon divergence. One split and one mask are drawn, both with
`--split-seed`.
"""


def write_audit(audits: Sequence[Audit], folder: Path) -> list[Path]:
    """The paths of ``audit.md`` and ``audit.csv``."""
    page, table = folder / "audit.md", folder / "audit.csv"
    page.write_text(EXPLANATION + "\n" + "\n".join(_sections(audits)) + "\n", encoding="utf-8")
    pd.concat([audit.scores for audit in audits]).to_csv(table, index=False, lineterminator="\n")
    return [page, table]


def _sections(audits: Sequence[Audit]) -> Iterator[str]:
    for audit in audits:
        limit = f" [{audit.limit}]" if audit.limit else ""
        yield from (f"## {escape(audit.dataset + limit)}", "")
        yield (
            f"Test matrix: {audit.n_spots} spots x {audit.n_genes} genes, {audit.zero_share:.0%} zeros. "
            f"With paste, {audit.pasted_share:.0%} of the entries of every answer are the truth."
        )
        yield ""
        names = list(dict.fromkeys(audit.scores["metric"]))
        primary = [name for name in names if REGISTRY.get(name).primary]
        for family in (primary, [name for name in names if name not in primary]):
            yield from _table(audit.scores, family)


def _table(scores: pd.DataFrame, metrics: list[str]) -> Iterator[str]:
    """A row per predictor; per metric the score without and with paste."""
    head = ["answer", *(f"{m}, {paste}" for m in metrics for paste in ("not pasted", "pasted"))]
    cells = scores.set_index(["predictor", "metric", "pasted"])[["mean", "sd"]].to_dict("index")
    rows = [
        [escape(name), *(_cell(cells.get((name, m, pasted))) for m in metrics for pasted in (False, True))]
        for name in dict.fromkeys(scores["predictor"])
    ]
    yield from pipe_table(head, rows)


def _cell(found: dict[str, float] | None) -> str:
    if found is None or isnan(found["mean"]):
        return "–"
    return f"{found['mean']:.3f}" if isnan(found["sd"]) else f"{found['mean']:.3f} ± {found['sd']:.3f}"
