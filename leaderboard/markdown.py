"""``leaderboard.md`` (ranks, then every dataset) and ``table1.md`` (the paper's Table I shape)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.board.pipes import escape, pipe_table
from stbench.leaderboard import register

if TYPE_CHECKING:
    import pandas as pd

    from stbench.board.board import Board
    from stbench.board.tables import Block, Cell, Line

NOTHING = "–"


@register("markdown")
def markdown(board: Board, folder: Path) -> list[Path]:
    """The paths of ``leaderboard.md`` and ``table1.md``."""
    pages = {"leaderboard.md": _leaderboard(board), "table1.md": _table1(board)}
    for name, lines in pages.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [folder / name for name in pages]


def _table1(board: Board) -> Iterator[str]:
    from stbench.board.tables import headers, notes, table1

    yield from ("# Methods x datasets", "")
    for block in table1(board):
        yield from (f"## {block.name} ({block.direction})", "")
        for title, lines in (("method", block.methods), ("control", block.controls)):
            if lines:
                yield from pipe_table([title, "preset", *headers(board)], [_row(line) for line in lines])
    yield from _notes(notes(board))


def _row(line: Line) -> list[str]:
    return [escape(line.method), escape(line.preset), *(_text(cell) for cell in line.cells)]


def _leaderboard(board: Board) -> Iterator[str]:
    from stbench.board.tables import accuracy_block, metric_block, notes, rank_columns

    ranks = board.ranks()
    control = ranks["kind"] == "control"
    yield from ("# Leaderboard", "", "## Ranks", "")
    yield from _ranks(ranks[~control], rank_columns(board))
    yield from ("Controls, not ranked:", "")
    yield from _ranks(ranks[control], rank_columns(board))
    yield from _over_datasets(board)
    blocks = [metric_block(board, metric) for metric in board.metric_order]
    blocks.insert(len(board.primary), accuracy_block(board))
    for i in range(len(board.columns)):
        yield from _dataset(board, blocks, i)
    yield from _notes(notes(board))


def _ranks(ranks: pd.DataFrame, names: dict[str, str]) -> Iterator[str]:
    rows = [
        [escape(row["method"]), row["kind"], escape(row["preset"])]
        + [_number(row[name]) for name in names]
        + [f"{row['n_ok']} of {row['n_columns']}", escape(row["reason"])]
        for row in ranks.to_dict("records")
    ]
    yield from pipe_table(
        ["method", "kind", "preset", *names.values(), "datasets ok", "why not ranked"], rows
    )


def _over_datasets(board: Board) -> Iterator[str]:
    """Whether the ranks differ by more than chance: Friedman's test and Nemenyi's critical difference."""
    from stbench.board.comparisons import over_datasets
    from stbench.board.statistics import ALPHA

    found = over_datasets(board)
    if found is None:
        yield from ("No test over datasets: it takes three ranked methods and two datasets.", "")
        return
    ordered = found.mean_ranks.sort_values(kind="stable").items()
    ranks = ", ".join(f"{escape(board.names[row])} {rank:.2f}" for row, rank in ordered)
    yield (
        f"Over the {found.n_datasets} datasets the mean ranks in {board.headline} (1 is best) are: {ranks}. "
        f"Friedman's test that all are equal: p = {found.p_value:.2g}. Mean ranks that differ by more than "
        f"{found.critical_difference:.2f} differ by Nemenyi's test at {ALPHA:.0%}."
    )
    yield ""


def _dataset(board: Board, blocks: list[Block], i: int) -> Iterator[str]:
    """The section of column ``i``: a line per method with all metrics, the controls, what failed and why."""
    from stbench.board.columns import COLUMN, ROW, column_name

    dataset, limit = board.columns[i]
    blocks = [block for block in blocks if not all(line.cells[i].empty for line in block.lines)]
    both = board.summary().merge(board.bootstrap_means[[*COLUMN, *ROW, "metric", "low", "high"]])
    both = both.query("dataset == @dataset and limit == @limit and metric == @board.headline")
    behind = both.set_index(ROW).to_dict("index")

    yield from (f"## {escape(column_name(dataset, limit))}", "")
    names = [block.name for block in blocks]
    last = [f"95 % interval of {board.headline}", "share of the ceiling", "genes", "unscored"]
    last += ["splits x seeds", "status"]
    for is_control, title in ((False, "method"), (True, "control")):
        rows = []
        for lines in zip(*(block.lines for block in blocks), strict=True):
            line = lines[0]
            key = (line.method, line.kind, line.preset)
            if (line.kind == "control") != is_control or key not in behind:
                continue
            found = behind[key]
            rows.append(
                [escape(line.method), escape(line.preset)]
                + [_text(line.cells[i], shown=found["status"]) for line in lines]
                + [_interval(found["low"], found["high"]), _number(found["share"])]
                + [str(found["n_genes"]), str(found["n_genes_unscored"])]
                + [f"{found['n_splits']} x {found['n_seeds']}", found["status"]]
            )
        if rows:
            yield from pipe_table([title, "preset", *names, *last], rows)
    yield from _tests(board, dataset, limit)

    bad = board.failures()
    bad = bad[(bad["dataset"] == dataset) & (bad["limit"] == limit)]
    if not bad.empty:
        yield from ("Runs that are not ok:", "")
        names = ["method", "preset", "status", "n_runs", "reason"]
        yield from pipe_table(
            names, [[escape(str(row[name])) for name in names] for row in bad.to_dict("records")]
        )


def _tests(board: Board, dataset: str, limit: str) -> Iterator[str]:
    """What the method with the best mean is better than, by the paired test over genes."""
    from stbench.board.statistics import ALPHA, paired_wilcoxon

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


def _notes(notes: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield from ("## Notes", "")
    yield from (f"- {escape(note)}" for note in notes)


def _text(cell: Cell, shown: str = "ok") -> str:
    """A score with its status, or the status alone; not the status that is ``shown`` beside it or ok."""
    status = "" if cell.status in ("ok", shown) else cell.status
    if isnan(cell.mean):
        return status or NOTHING
    return f"{_score(cell)} ({status})" if status else _score(cell)


def _score(cell: Cell) -> str:
    text = _number(cell.mean) if isnan(cell.sd) else f"{cell.mean:.3f} ± {cell.sd:.3f}"
    # GitHub drops <u> and draws <ins> underlined
    return {"best": f"**{text}**", "second": f"<ins>{text}</ins>", "": text}[cell.mark]


def _interval(low: float, high: float) -> str:
    return NOTHING if isnan(low) else f"{low:.3f} to {high:.3f}"


def _number(value: float) -> str:
    return NOTHING if isnan(value) else f"{value:.3f}"
