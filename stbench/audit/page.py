"""The audit as a page with its explanation, and as a CSV table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from stbench.audit.audit import MASKED, ONLY_PASTED, Audit
from stbench.audit.granger import DRAWS
from stbench.board.columns import column_name
from stbench.board.pipes import escape, mean_sd, pipe_table
from stbench.metric import REGISTRY

EXPLANATION = f"""\
# Audit of the published protocol

## What is done

The sampling code published with CausalGeD (commit 8474310, `model/sample.py`) and with SpaDiT (commit
fc8a3f9) draws a mask over {MASKED:.0%} of the non-zero entries of the test matrix. After every step, the
last one included, it replaces all entries outside the mask by the test matrix. All zeros and
{1 - MASKED:.0%} of the non-zeros of the scored prediction are then the truth.

This page applies the same replacement, "pasted", to the predictions below. Each is scored with it and without
it. All predictions on a dataset share one mask. The predictions:

- **constant 0.5**: the same number at every spot for every gene.
- **constant 0.5 plus noise of 0.001**: the same with normal noise, so that no rule for constant columns
  applies.
- **untrained decoder**: the published decoder (layers 256, 512, 1024, number of spots; sigmoid) with its
  initial random weights, on random latents. By default the published code does not train it.
- **{ONLY_PASTED}**: in the masked entries the mean of those non-zero values of the gene
  that the replacement shows. It exists only with paste.
- **methods**: predictions of `stbench`, where the truth of the test genes is not in the process.

## How to read it

A score without paste measures how much of the hidden gene is predicted. The difference to the score with
paste is the effect of the replacement. If a prediction that has learned nothing has a high score with paste,
then a high score with paste is no evidence for a method.

Mean ± sd over the test genes that vary. The first table of a dataset has the metrics of this benchmark. The
second has the formulas of CausalGeD's published `evaluate.py`: truth and prediction min-max scaled per gene,
1 added to RMSE, the square root of the Jensen-Shannon divergence. One split and one mask are drawn, both with
`--split-seed`.

The third table has Granger tests (lag 2) between the most variable genes in the scRNA reference, as in Fig. 1
of CausalGeD. Cells of one experiment have no order in time, and along a pseudotime neighbours are similar by
construction, so a small p does not show that one gene causes another. p under the null: the share of {DRAWS}
draws without an order whose p is no larger; where it is not small, the small p is no evidence.
"""


def write_audit(audits: Sequence[Audit], folder: Path) -> list[Path]:
    """Write ``audit.md`` and ``audit.csv``; returns their paths."""
    page, table = folder / "audit.md", folder / "audit.csv"
    page.write_text(EXPLANATION + "\n" + "\n".join(_sections(audits)) + "\n", encoding="utf-8")
    pd.concat([audit.scores for audit in audits]).to_csv(table, index=False, lineterminator="\n")
    return [page, table]


def _sections(audits: Sequence[Audit]) -> Iterator[str]:
    for audit in audits:
        yield from (f"## {escape(column_name(audit.dataset, audit.limit))}", "")
        yield (
            f"Test matrix: {audit.n_spots} spots x {audit.n_genes} genes, {audit.zero_share:.0%} zeros. "
            f"With paste, {audit.pasted_share:.0%} of the entries of every prediction are the truth."
        )
        yield ""
        names = list(dict.fromkeys(audit.scores["metric"]))
        primary = [name for name in names if REGISTRY.get(name).primary]
        for family in (primary, [name for name in names if name not in primary]):
            yield from _table(audit.scores, family)
        yield from _granger(audit.granger)


def _table(scores: pd.DataFrame, metrics: list[str]) -> Iterator[str]:
    """A row per predictor; per metric the score without and with paste."""
    head = ["prediction", *(f"{m}, {paste}" for m in metrics for paste in ("not pasted", "pasted"))]
    columns = pd.MultiIndex.from_product([metrics, [False, True]])
    cells = scores.assign(text=list(map(mean_sd, scores["mean"], scores["sd"])))
    cells = cells.pivot(index="predictor", columns=["metric", "pasted"], values="text")
    cells = cells.reindex(index=scores["predictor"].unique(), columns=columns).fillna("–")
    yield from pipe_table(head, [[escape(row[0]), *row[1:]] for row in cells.itertuples()])


def _granger(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """A row per pair of genes; per order of the cells the p of the test, and that under the null."""
    head = ["cause", "effect", *(text for order in tables for text in (f"p, {order}", "p under the null"))]
    first = next(iter(tables.values()))
    numbers = pd.concat([table[["p", "p_null"]] for table in tables.values()], axis=1).to_numpy()
    rows = [
        [escape(pair.cause), escape(pair.effect), *(f"{p:.2g}" for p in values)]
        for pair, values in zip(first.itertuples(), numbers, strict=True)
    ]
    yield from pipe_table(head, rows)
