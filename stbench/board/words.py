"""A board in words: who leads by how much, how certain that is, and what the leader is bad at."""

from __future__ import annotations

from stbench.board.board import Board
from stbench.board.columns import COLUMN, ROW
from stbench.board.comparisons import differences, overall, paired_tests
from stbench.board.statistics import ALPHA


def in_words(board: Board) -> list[str]:
    """Sentences about the ranked rows, made from the statistics; empty with fewer than two of them."""
    if len(board.ranked) < 2:
        return []
    ranks = board.ranks().set_index(ROW)
    leader = ranks.index[0]
    name, metric = board.names[leader], board.headline
    others = differences(board, leader)
    means = overall(board)
    second = means.index.drop([leader])[0]
    gap = others.loc[second]
    n = len(board.columns)
    over = f"over {n} datasets" if n > 1 else f"on {board.columns[0][0]}"
    more = "more" if gap["mean"] >= 0 else "less"
    sentences = [
        f"{name} leads with AS {ranks.loc[leader, 'AS']:.3f}: its mean {metric} {over} is "
        f"{means.loc[leader, 'mean']:.3f}, {abs(gap['mean']):.3f} {more} than that of {board.names[second]} "
        f"[{_signed(gap['low'])}, {_signed(gap['high'])}]."
    ]
    tied = [board.names[row] for row, (_, low, high) in others.iterrows() if low <= 0 <= high]
    if tied:
        sentences.append(f"It is not separated from {_listed(tied)}.")
    else:
        sentences.append("Its interval of the difference to every other method lies on one side of zero.")
    if (inside := _tied_inside(board, leader)) is not None:
        sentences.append(inside)
    if (weakness := _weakness(board, leader)) is not None:
        sentences.append(weakness)
    return sentences


def _tied_inside(board: Board, leader: tuple[str, str, str]) -> str | None:
    """On how many datasets the paired tests do not separate the leader from some other row."""
    tests = paired_tests(board)
    key = leader[0], leader[2]
    first = (tests["method"] == key[0]) & (tests["preset"] == key[1])
    second = (tests["other_method"] == key[0]) & (tests["other_preset"] == key[1])
    tests = tests[(first | second) & (tests["p_holm"] > ALPHA)]
    counts = tests.groupby(COLUMN).size()
    if counts.empty:
        return None
    most = f"up to {counts.max()} others are" if counts.max() > 1 else "one other is"
    if len(board.columns) == 1:
        return f"By the paired test over its genes, {most} not separated from it."
    return (
        f"Within one dataset the paired tests separate less: on {len(counts)} of {len(board.columns)}, "
        f"{most} not separated from it."
    )


def _weakness(board: Board, leader: tuple[str, str, str]) -> str | None:
    """The metric in which the leader is worst, where more than half of the ranked rows are better."""
    summary = board.summary().set_index(ROW)
    table = summary[summary.index.isin(board.ranked)].reset_index()
    worst: tuple[float, str, int, int] | None = None
    for name, metric in board.metrics.items():
        wide = table[table["metric"] == name].pivot(index=ROW, columns=COLUMN, values="mean").dropna()
        if metric.best == "level" or leader not in wide.index or len(wide) < 3:
            continue
        places = wide.rank(ascending=metric.best == "low", method="min").mean(axis=1)
        place = int(places.rank(method="min")[leader])
        share = place / len(wide)
        if share > 0.5 and (worst is None or share > worst[0]):
            worst = share, name, place, len(wide)
    if worst is None:
        return None
    _, name, place, n_rows = worst
    return f"It is worst in {name}: place {place} of {n_rows}."


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
