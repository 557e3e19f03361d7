"""The shape of the paper's Table I, and the notes under every table; renderers add the markup."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import isnan
from typing import Literal

import pandas as pd

from stbench.board.board import MIN_CEILING, Board
from stbench.board.columns import COLUMN, ROW, column_name
from stbench.board.statistics import DIGITS
from stbench.scoring.controls import CEILING

Mark = Literal["best", "second", ""]


@dataclass(frozen=True)
class Cell:
    """``mean`` and ``sd`` (NaN where there is none), the ``status`` behind them, the place in the column."""

    mean: float = float("nan")
    sd: float = float("nan")
    status: str = ""
    mark: Mark = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show, not even a status."""
        return isnan(self.mean) and self.status in ("", "ok")


@dataclass(frozen=True)
class Line:
    """One method with its preset, and a cell per column."""

    method: str
    kind: str
    preset: str
    cells: list[Cell]

    @property
    def empty(self) -> bool:
        """Whether all its cells are empty."""
        return all(cell.empty for cell in self.cells)


@dataclass(frozen=True)
class Block:
    """One metric: all rows of the board in the order of the ranks, times its columns."""

    name: str
    best: Literal["high", "low", "level"]
    lines: list[Line]

    @property
    def direction(self) -> str:
        """``higher is better``, ``lower is better`` or ``best at the nominal level``."""
        return "best at the nominal level" if self.best == "level" else f"{self.best}er is better"

    @property
    def methods(self) -> list[Line]:
        """Lines of baselines and methods that have something to show."""
        return [line for line in self.lines if line.kind != "control" and not line.empty]

    @property
    def controls(self) -> list[Line]:
        """Lines of controls that have something to show."""
        return [line for line in self.lines if line.kind == "control" and not line.empty]


def headers(board: Board) -> list[str]:
    """The columns of every block: ``dataset [limit]``, and ``mean`` over them where there are several."""
    names = [column_name(*column) for column in board.columns]
    return [*names, "mean"] if len(names) > 1 else names


def metric_block(board: Board, metric: str) -> Block:
    """Mean and sd of one metric; the best and second best are marked among what is ok and no control."""
    summary = board.summary()
    table = summary[summary["metric"] == metric].set_index([*ROW, *COLUMN])
    return _block(board, metric, board.metrics[metric].best, table[["mean", "sd", "status"]])


def accuracy_block(board: Board, name: str = "AS", *, without: Collection[str] = ()) -> Block:
    """``AS`` per dataset; rows that are not ranked show why."""
    scores = board.accuracy(without=without).stack(COLUMN, future_stack=True).rename("mean")
    statuses = board.statuses[~board.statuses["by_scorer"] & (board.statuses["kind"] != "control")]
    table = statuses.set_index([*ROW, *COLUMN])[["status"]].join(scores).assign(sd=float("nan"))
    unranked = table["mean"].isna() & (table["status"] == "ok")
    table.loc[unranked, "status"] = "not ranked"
    return _block(board, name, "high", table)


def share_block(board: Board) -> Block:
    """Share of the ceiling per dataset, see `Board.share_of_ceiling`; empty where there is none."""
    summary = board.summary()
    table = summary[(summary["metric"] == board.headline) & (summary["kind"] != "control")]
    table = table.set_index([*ROW, *COLUMN])[["share", "status"]].rename(columns={"share": "mean"})
    return _block(board, "share of the ceiling", "high", table.assign(sd=float("nan")))


def rank_columns(board: Board) -> dict[str, str]:
    """The columns of `Board.ranks` that a table of ranks shows, and their heads."""
    return {
        "AS": "AS",
        **board.without_redundant,
        "AS_failures_last": "AS, failures last",
        board.headline: f"mean {board.headline}",
        "share": "share of the ceiling",
    }


def table1(board: Board) -> list[Block]:
    """The paper's Table I: a block per primary metric, AS with and without redundant ones, the share."""
    blocks = [metric_block(board, metric) for metric in board.primary]
    blocks.append(accuracy_block(board))
    blocks += [accuracy_block(board, n, without=board.redundant) for n in board.without_redundant.values()]
    return [*blocks, share_block(board)] if len(board.share_of_ceiling()) else blocks


def _block(board: Board, name: str, best: Literal["high", "low", "level"], table: pd.DataFrame) -> Block:
    """``table`` has mean, sd and status by row and column; a cell that is not in it is empty."""
    order = pd.MultiIndex.from_frame(board.ranks()[ROW])
    table = table.reset_index()
    mean, sd, status = (
        table.pivot(index=ROW, columns=COLUMN, values=value).reindex(index=order, columns=board.columns)
        for value in ("mean", "sd", "status")
    )
    if len(board.columns) > 1:
        everywhere = (status == "ok").all(axis=1)
        mean[("mean", "")] = mean.mean(axis=1).where(everywhere)
        sd[("mean", "")] = float("nan")
        status[("mean", "")] = everywhere.map({True: "ok", False: ""})
    compete = mean.where(status == "ok")[order.get_level_values("kind") != "control"].round(DIGITS)
    places = compete.rank(method="dense", ascending=best == "low").reindex(order)
    marks: dict[float, Mark] = {1.0: "best", 2.0: "second"} if best != "level" else {}
    lines = []
    for i, (method, kind, preset) in enumerate(order):
        values = (frame.iloc[i] for frame in (mean, sd, status.fillna(""), places))
        cells = [Cell(m, s, state, marks.get(place, "")) for m, s, state, place in zip(*values, strict=True)]
        lines.append(Line(method, kind, preset, cells))
    return Block(name, best, lines)


def notes(board: Board) -> Iterator[str]:
    """What a reader must know to read any table of the board, one sentence or two each."""
    if board.origin:
        yield (
            f"The scores were imported from {board.origin}: splits, scales and formulas are those of its "
            "makers. A method that lacks genes of a dataset is invalid there."
        )
    yield (
        "Mean ± sd over the test genes: scores of a gene are averaged over seeds first, then genes are "
        "pooled over rotations. The sd is the spread between genes, not the error of the mean. Intervals are "
        "for the mean: a seeded bootstrap over rotations and the genes in them."
    )
    yield (
        "Best in bold, second underlined, among baselines and methods whose runs are all ok in that column. "
        "Controls are listed apart and do not compete."
    )
    for best in ("high", "low"):
        names = [name for name in board.metric_order if board.metrics[name].best == best]
        if names:
            yield f"{best.capitalize()}er is better: {', '.join(names)}."
    level = [name for name in board.metric_order if board.metrics[name].best == "level"]
    if level:
        yield f"Best at the nominal level of the intervals, where no method is marked: {', '.join(level)}."
    yield (
        f"AS is the mean over {', '.join(board.primary)} of rank/N per dataset, over the N baselines and "
        "methods that are ok on every listed dataset: the best has N/N = 1, ties share their mean rank."
    )
    yield (
        "Failures: a run that failed, timed out, ran out of memory, was invalid, unsupported or skipped has "
        "no score and no substitute for one. A method with such a run, or not run everywhere, has no AS. "
        "AS with failures last also ranks what was run everywhere: where a run failed, the method is last."
    )
    if len(board.share_of_ceiling()):
        yield (
            f"Share of the ceiling: mean {board.headline} over the mean {CEILING} of the same genes, which "
            "estimates what a perfect answer scores against noisy counts; none for intensities or below "
            f"a ceiling of {MIN_CEILING}."
        )
    for name in board.redundant:
        yield (
            f"{name} = {board.metrics[name].redundant} by algebra, so AS counts the same property twice; "
            f"AS without {name} counts it once."
        )
    yield (
        f"Preset: the named set of parameters (here: {_listed(board.runs['preset'])}); other parameters "
        "are in the name of the method."
    )
    yield f"Runs per method: {'; '.join(_grids(board))}."
    yield (
        "Limit: a dataset with [...] was cut down to at most that many cells, spots or genes before "
        f"anything ran (here: {_listed(board.runs['limit'])}); its scores do not compare with those "
        "of the whole dataset."
    )


def _grids(board: Board) -> Iterator[str]:
    """How many splits and seeds were run, and where, if not everywhere the same."""
    sizes = board.runs.groupby(COLUMN)[["split", "seed"]].nunique()
    for (n_splits, n_seeds), group in sizes.groupby(["split", "seed"]):
        where = (
            ""
            if len(group) == len(sizes)
            else f" on {', '.join(column_name(*column) for column in group.index)}"
        )
        yield f"{n_splits} splits x {n_seeds} seeds{where}"


def _listed(values: pd.Series) -> str:
    return "; ".join(sorted(set(values) - {""})) or "none"
