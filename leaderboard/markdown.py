"""``leaderboard.md`` (ranks, then every dataset) and ``table1.md`` (the paper's Table I)."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from pathlib import Path

import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import COLUMN, ROW, keys_of, preset_text
from stbench.board.comparisons import over_datasets
from stbench.board.pipes import escape, mean_sd, pipe_table
from stbench.board.statistics import ALPHA, paired_wilcoxon
from stbench.board.submitted import ELSEWHERE, SUBMITTED
from stbench.board.tables import (
    Block,
    Cell,
    accuracy_block,
    headers,
    metric_block,
    notes,
    rank_columns,
    shares,
    table1,
)
from stbench.board.words import in_words
from stbench.leaderboard import register

NOTHING = "–"
NAMED = {"chosen": "Tuned on validation genes", "scaled": "Scaled to fit in memory"}  # by entry of manifests


@register("markdown")
def markdown(board: Board, folder: Path) -> list[Path]:
    """Write ``leaderboard.md`` and ``table1.md``; returns their paths."""
    ending = ["## Notes", "", *(f"- {escape(note)}" for note in notes(board))]
    pages = {"leaderboard.md": _leaderboard(board), "table1.md": _table1(board)}
    for name, lines in pages.items():
        (folder / name).write_text("\n".join([*lines, *ending]) + "\n", encoding="utf-8")
    return [folder / name for name in pages]


def _table1(board: Board) -> Iterator[str]:
    yield from ("# Methods x datasets", "")
    for block in table1(board):
        yield from (f"## {block.name} ({block.direction})", "")
        parts = {"method": block.methods, ELSEWHERE: block.submitted, "control": block.controls}
        for title, lines in parts.items():
            rows = [[escape(x.method), escape(x.setting), *(_text(cell) for cell in x.cells)] for x in lines]
            if rows:
                yield from pipe_table([title, "preset", *headers(board)], rows, keys=2)


def _leaderboard(board: Board) -> Iterator[str]:
    ranks = board.ranks()
    control = ranks["kind"] == "control"
    apart = (ranks["kind"] == SUBMITTED) & ranks["kind"].isin(board.outside)
    yield from ("# Leaderboard", "")
    if words := in_words(board):
        yield from (escape(" ".join(words)), "")
    yield from ("## Ranks", "")
    yield from _ranks(board, ranks[~control & ~apart])
    yield from _named(board, ranks[~control & ~apart])
    if apart.any():
        yield from ("Run elsewhere, not ranked:", "")
        yield from _ranks(board, ranks[apart])
    yield from ("Controls, not ranked:", "")
    yield from _ranks(board, ranks[control])
    yield from (_over_datasets(board), "")
    blocks = [metric_block(board, metric) for metric in board.metric_order]
    blocks.insert(len(board.primary), accuracy_block(board))
    for i in range(len(board.columns)):
        yield from _dataset(board, blocks, i)


def _ranks(board: Board, ranks: pd.DataFrame) -> Iterator[str]:
    names = rank_columns(board)
    rows = [
        [escape(row["method"]), row["kind"], escape(preset_text(row["preset"]))]
        + [_number(row[name]) for name in names]
        + [f"{row['n_ok']} of {row['n_columns']}"]
        for row in ranks.to_dict("records")
    ]
    yield from pipe_table(["method", "kind", "preset", *names.values(), "datasets ok"], rows)


def _named(board: Board, ranks: pd.DataFrame) -> Iterator[str]:
    """Lines that name rows: why some have no rank, and what runs tuned or scaled."""
    reasons = {
        row: reason for row, reason in zip(keys_of(ranks, ROW), ranks["reason"], strict=True) if reason
    }
    lines = {"Not ranked": reasons}
    for key, title in NAMED.items():
        values = board.named_values(key)
        lines[title] = {row: ", ".join(values[row]) for row in keys_of(ranks, ROW) if row in values}
    for title, texts in lines.items():
        if texts:
            listed = "; ".join(f"{escape(board.names[row])}: {escape(text)}" for row, text in texts.items())
            yield from (f"{title}: {listed}.", "")


def _over_datasets(board: Board) -> str:
    """The mean ranks, Friedman's test and Nemenyi's critical difference."""
    found = over_datasets(board)
    if found is None:
        return "No test over datasets: it needs three ranked methods and two datasets."
    ordered = found.mean_ranks.sort_values(kind="stable").items()
    ranks = ", ".join(f"{escape(board.names[row])} {rank:.2f}" for row, rank in ordered)
    return (
        f"Over the {found.n_datasets} datasets the mean ranks in {board.headline} (1 is best) are: {ranks}. "
        f"Friedman's test that all are equal: p = {found.p_value:.2g}. Mean ranks that differ by more than "
        f"{found.critical_difference:.2f} differ by Nemenyi's test at {ALPHA:.0%}."
    )


def _dataset(board: Board, blocks: list[Block], i: int) -> Iterator[str]:
    """The section of column ``i``: a line per method with all metrics, then the controls and the failures."""
    dataset, limit = board.columns[i]
    here = "dataset == @dataset and limit == @limit"
    blocks = [block for block in blocks if not all(line.cells[i].empty for line in block.lines)]
    both = board.summary().merge(board.bootstrap_means[[*COLUMN, *ROW, "metric", "low", "high"]])
    details = both.query(f"{here} and metric == @board.headline").set_index(ROW).to_dict("index")

    yield from (f"## {escape(board.column_names[dataset, limit])}", "")
    head = ["preset", *(block.name for block in blocks), f"95 % interval of {board.headline}"]
    head += [*shares(board).values(), "genes", "unscored", "splits x seeds", "status"]
    names = {SUBMITTED: ELSEWHERE, "control": "control"}  # others are methods
    tables: dict[str, list[list[str]]] = {"method": [], ELSEWHERE: [], "control": []}
    for lines in zip(*(block.lines for block in blocks), strict=True):
        method, kind, preset = lines[0].method, lines[0].kind, lines[0].preset
        if found := details.get((method, kind, preset)):
            interval = f"{found['low']:.3f} to {found['high']:.3f}"
            tables[names.get(kind, "method")].append(
                [escape(method), escape(preset_text(preset))]
                + [_text(line.cells[i], shown=found["status"]) for line in lines]
                + [NOTHING if isnan(found["low"]) else interval]
                + [_number(found[share]) for share in shares(board)]
                + [str(found["n_genes"]), str(found["n_genes_unscored"])]
                + [f"{found['n_splits']} x {found['n_seeds']}", found["status"]]
            )
    for title, rows in tables.items():
        if rows:
            yield from pipe_table([title, *head], rows, keys=2)
    yield from _tests(board, dataset, limit)

    failures = board.failures().query(here).astype(str)
    if not failures.empty:
        yield from ("Runs that are not ok:", "")
        table = failures[["method", "preset", "status", "n_runs", "reason"]]
        yield from pipe_table(list(table), [[escape(text) for text in row] for row in table.to_numpy()])


def _tests(board: Board, dataset: str, limit: str) -> Iterator[str]:
    """How many methods differ from the one with the best mean, by the paired test over genes."""
    genes = board.gene_table(dataset, limit, board.headline)
    if genes.shape[1] < 2:
        return
    best = genes.mean().idxmax()
    tests = paired_wilcoxon(genes)
    tests = tests[(tests["first"] == best) | (tests["second"] == best)]
    n_better = (tests["p_holm"] < ALPHA).sum()
    yield (
        f"Paired test over {len(genes)} genes (Wilcoxon, Holm over all pairs): the {board.headline} of "
        f"{escape(board.names[best])}, which has the best mean, differs from {n_better} of {len(tests)} "
        f"others at {ALPHA:.0%}."
    )
    yield ""


def _text(cell: Cell, shown: str = "ok") -> str:
    """A score with its status, or the status alone; without a status that is ok or already ``shown``."""
    status = "" if cell.status in ("ok", shown) else cell.status
    if isnan(cell.mean):
        return status or NOTHING
    text = mean_sd(cell.mean, cell.sd)
    # GitHub drops <u> and draws <ins> underlined
    text = {"best": f"**{text}**", "second": f"<ins>{text}</ins>", "": text}[cell.mark]
    return f"{text} ({status})" if status else text


def _number(value: float) -> str:
    return NOTHING if isnan(value) else f"{value:z.3f}"
