"""The paper's Table I and the notes under every table, without markup."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import isnan
from typing import Literal

import pandas as pd

from stbench.board.board import MIN_CONTROL, SHARES, Board
from stbench.board.columns import COLUMN, REDUCED, ROW, preset_text
from stbench.board.statistics import DIGITS
from stbench.board.submitted import ELSEWHERE, SUBMITTED
from stbench.metric import Best
from stbench.scoring.controls import CEILING
from stbench.scoring.oracle import ORACLE

Mark = Literal["best", "second", ""]


@dataclass(frozen=True)
class Cell:
    """``mean`` and ``sd`` (NaN if missing), their ``status``, and the ``mark`` of the best two."""

    mean: float = float("nan")
    sd: float = float("nan")
    status: str = ""
    mark: Mark = ""

    @property
    def empty(self) -> bool:
        """Whether the cell has nothing to show, not even a status."""
        return isnan(self.mean) and self.status in ("", "ok")


@dataclass(frozen=True)
class Line:
    """One method with its preset, and a cell per column."""

    method: str
    kind: str
    preset: str
    cells: list[Cell]

    @property
    def setting(self) -> str:
        """The preset, marked where it is reduced."""
        return preset_text(self.preset)

    @property
    def empty(self) -> bool:
        """Whether all its cells are empty."""
        return all(cell.empty for cell in self.cells)


@dataclass(frozen=True)
class Block:
    """One metric: all rows of the board, in the order of the ranks, with a cell per column."""

    name: str
    direction: str
    lines: list[Line]

    @property
    def methods(self) -> list[Line]:
        """Lines of baselines and methods that are not empty."""
        apart = "control", SUBMITTED
        return [line for line in self.lines if line.kind not in apart and not line.empty]

    @property
    def submitted(self) -> list[Line]:
        """Lines of rows that were run elsewhere and are not empty."""
        return [line for line in self.lines if line.kind == SUBMITTED and not line.empty]

    @property
    def controls(self) -> list[Line]:
        """Lines of controls that are not empty."""
        return [line for line in self.lines if line.kind == "control" and not line.empty]


def direction(best: Best) -> str:
    """``higher is better``, ``lower is better`` or ``best at the nominal level``."""
    return "best at the nominal level" if best == "level" else f"{best}er is better"


def headers(board: Board) -> list[str]:
    """The columns of every block: the datasets, and their ``mean`` if there are several."""
    names = [board.column_names[column] for column in board.columns]
    return [*names, "mean"] if len(names) > 1 else names


def metric_block(board: Board, metric: str) -> Block:
    """Mean and sd of one metric; the best and second best of the ok rows that compete are marked."""
    summary = board.summary()
    return _block(board, metric, board.metrics[metric].best, summary[summary["metric"] == metric])


def accuracy_block(board: Board, name: str = "AS", *, without: Collection[str] = ()) -> Block:
    """``AS`` per dataset; rows that are not ranked show their status."""
    scores = board.accuracy(without=without).stack(COLUMN, future_stack=True).rename("mean")
    table = board.statuses[~board.statuses["by_scorer"] & (board.statuses["kind"] != "control")]
    table = table.join(scores, on=[*ROW, *COLUMN]).assign(sd=float("nan"))
    table["status"] = table["status"].mask(table["mean"].isna() & (table["status"] == "ok"), "not ranked")
    return _block(board, name, "high", table)


def shares(board: Board) -> dict[str, str]:
    """The shares that the board has, of the ceiling and of the oracle, by column of `Board.summary`."""
    found = {name: control for name, control in SHARES.items() if len(board.share_of(control))}
    return {name: f"share of the {control}" for name, control in found.items()}


def share_block(board: Board, share: str) -> Block:
    """One of the `shares` per dataset."""
    summary = board.summary()
    table = summary[(summary["metric"] == board.headline) & (summary["kind"] != "control")]
    return _block(board, shares(board)[share], "high", table.assign(mean=table[share], sd=float("nan")))


def rank_columns(board: Board) -> dict[str, str]:
    """The heads of a table of ranks, by column of `Board.ranks`."""
    return {
        "AS": "AS",
        **board.without_redundant,
        "AS_failures_last": "AS, failures last",
        board.headline: f"mean {board.headline}",
        **shares(board),
    }


def table1(board: Board) -> list[Block]:
    """The paper's Table I: a block per primary metric, AS, AS without redundant metrics, the shares."""
    blocks = [metric_block(board, metric) for metric in board.primary]
    blocks.append(accuracy_block(board))
    blocks += [accuracy_block(board, n, without=board.redundant) for n in board.without_redundant.values()]
    return [*blocks, *(share_block(board, share) for share in shares(board))]


def _block(board: Board, name: str, best: Best, table: pd.DataFrame) -> Block:
    """The block of a ``table`` with the columns `ROW`, `COLUMN`, mean, sd and status."""
    order = pd.MultiIndex.from_frame(board.ranks()[ROW])
    mean, sd, status = (
        table.pivot(index=ROW, columns=COLUMN, values=value).reindex(index=order, columns=board.columns)
        for value in ("mean", "sd", "status")
    )
    if len(board.columns) > 1:
        everywhere = (status == "ok").all(axis=1)
        mean[("mean", "")] = mean.mean(axis=1).where(everywhere)
        sd[("mean", "")] = float("nan")
        status[("mean", "")] = everywhere.map({True: "ok", False: ""})
    compete = mean.where(status == "ok")[~order.get_level_values("kind").isin(board.outside)].round(DIGITS)
    places = compete.rank(method="dense", ascending=best == "low").reindex(order)
    names = {} if best == "level" else {1.0: "best", 2.0: "second"}
    marks = places.map(lambda place: names.get(place, ""))
    values = (frame.to_numpy() for frame in (mean, sd, status.fillna(""), marks))
    lines = [
        Line(method, kind, preset, [Cell(*cell) for cell in zip(*found, strict=True)])
        for (method, kind, preset), *found in zip(order, *values, strict=True)
    ]
    return Block(name, direction(best), lines)


def notes(board: Board) -> Iterator[str]:
    """The notes that explain the tables of the board, one or two sentences each."""
    if board.origin:
        yield (
            f"The scores were imported from {board.origin}: splits, scales and formulas are those of its "
            "authors. A method without scores of some genes of a dataset is invalid there."
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
    if (board.runs["kind"] == SUBMITTED).any():
        together = "Here they compete with the others" if board.include_submitted else "They have no rank"
        yield (
            f"Rows with the preset '{ELSEWHERE}' are predictions that stbench scored and did not make: time, "
            "memory, and whether the hidden values were seen, are unknown. They are listed apart. "
            f"{together}."
        )
    text = {"high": "Higher is better", "low": "Lower is better"}
    text["level"] = "Best at the nominal level of the intervals, where no method is marked"
    for best, words in text.items():
        names = [name for name in board.metric_order if board.metrics[name].best == best]
        if names:
            yield f"{words}: {', '.join(names)}."
    yield (
        f"AS is the mean over {', '.join(board.primary)} of rank/N per dataset, over the N baselines and "
        "methods that are ok on every listed dataset: the best has N/N = 1, ties share their mean rank."
    )
    yield (
        "Failures: a run that failed, timed out, ran out of memory, was invalid, unsupported or skipped has "
        "no score and no substitute for one. A method with such a run, or not run everywhere, has no AS. "
        "AS with failures last also ranks methods that were run everywhere: where a run failed, the method "
        "is last."
    )
    if len(board.share_of(CEILING)):
        yield (
            f"Share of the ceiling: mean {board.headline} over the mean {CEILING} of the same genes, which "
            "estimates the score of a perfect prediction against noisy counts; none for intensities or below "
            f"a ceiling of {MIN_CONTROL}."
        )
    if len(board.share_of(ORACLE)):
        yield (
            f"Share of the oracle: mean {board.headline} over the mean {ORACLE} of the same genes, which is "
            "the score of a ridge regression from the visible maps to the true ones, trained on half of the "
            "tissue and scored on the other half. It sees truth that no method sees; a method can be better "
            "by what the reference, the places or other than linear combinations add. None where half of the "
            "spots are fewer than the visible genes."
        )
    for name in board.redundant:
        yield (
            f"{name} = {board.metrics[name].redundant} by algebra, so AS counts the same property twice; "
            f"AS without {name} counts it once."
        )
    presets = _listed(board.runs.loc[board.runs["kind"] != SUBMITTED, "preset"]) or "none"
    yield (
        f"Preset: the named set of parameters (here: {presets}); other parameters "
        f"are in the name of the method. The preset {REDUCED} is reduced, smaller or shorter than that of "
        "the authors: such a row does not show what their setting reaches."
    )
    yield f"Runs per method: {'; '.join(_grids(board))}."
    if limits := _listed(board.runs["limit"]):
        cut = "a dataset with [...]" if any("[" in name for name in headers(board)) else "every dataset"
        yield (
            f"Limit: {cut} was cut down to at most that many cells, spots or genes before anything ran "
            f"(here: {limits}); its scores do not compare with those of the whole dataset."
        )


def _grids(board: Board) -> Iterator[str]:
    """The numbers of splits and seeds, each with its datasets if they differ."""
    sizes = board.runs.groupby(COLUMN)[["split", "seed"]].nunique()
    for (n_splits, n_seeds), group in sizes.groupby(["split", "seed"]):
        names = ", ".join(board.column_names[column] for column in group.index)
        where = f" on {names}" if len(group) < len(sizes) else ""
        yield f"{n_splits} splits x {n_seeds} seeds{where}"


def _listed(values: pd.Series) -> str:
    return "; ".join(sorted(set(values) - {""}))
