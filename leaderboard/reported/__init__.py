"""``reported.md`` and ``reported.csv``: scores that papers report and those of this board, never ranked.

The reported scores are the CSV files of this folder (metric, method, dataset, mean, spread), copied from
their sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import preset_text
from stbench.board.pipes import escape, mean_sd, pipe_table
from stbench.leaderboard import register

INTRODUCTION = """\
These scores are copied from the papers below. They were not computed by stbench, take
part in no rank, and do not compare with measured ones: splits, preparation and formulas differ. If this
board has the same method on the same dataset, its own mean follows the reported one as
"measured". "±" is the spread in the source; for measured values it is the sd over genes.
"""


@dataclass(frozen=True)
class Section:
    """The scores of one source and of the board, as the page and ``reported.md`` show them.

    ``metrics`` has, by metric, the rows of its table: the method, then a text per dataset.
    """

    title: str
    notes: list[str]
    datasets: list[str]
    metrics: dict[str, list[list[str]]]


@dataclass(frozen=True)
class Source:
    """A file of reported scores, with its title and notes."""

    file: str
    title: str
    notes: tuple[str, ...] = ()


SOURCES = (
    Source(
        "causalged_table1.csv",
        "Sadia, Ahamed and Cheng 2025 (CausalGeD), doi 10.48550/arXiv.2502.07751, Table I",
        (
            "Datasets: the ten pairs of the paper by its own abbreviations.",
            "The published code of CausalGeD adds 1 to RMSE, reports the square root of the Jensen-Shannon "
            "divergence as JS, and scores answers in which all zeros and 70 % of the non-zeros are the truth "
            "(see stbench audit).",
        ),
    ),
    Source(
        "li2022.csv",
        "Li et al. 2022, Nature Methods, doi 10.1038/s41592-022-01480-9",
        ("Mean over genes, then over the 37 datasets whose published result files can be read.",),
    ),
)


@register("reported", slow=True)
def reported(board: Board, folder: Path) -> list[Path]:
    """Write ``reported.md`` and ``reported.csv``; returns their paths."""
    page, file = folder / "reported.md", folder / "reported.csv"
    lines = [line for section in sections(board) for line in _markdown(section)]
    text = "\n".join(["# Reported and measured scores", "", INTRODUCTION, *lines])
    page.write_text(text + "\n", encoding="utf-8")
    frames = [beside(read(source), board).assign(source=source.title) for source in SOURCES]
    pd.concat(frames).to_csv(file, index=False, lineterminator="\n")
    return [page, file]


def read(source: Source) -> pd.DataFrame:
    """The reported scores of a source, columns metric, method, dataset, mean, spread."""
    return pd.read_csv(Path(__file__).parent / source.file)


def beside(table: pd.DataFrame, board: Board) -> pd.DataFrame:
    """The reported scores with ``measured``, ``measured_sd``, ``preset`` and ``n_genes`` of this board.

    Upper and lower case do not matter in names of methods, but do in those of datasets. Only whole datasets
    (no limit) with the status ok count, with one row per preset.
    """
    found = board.summary().query("status == 'ok' and limit == ''")
    found = found.assign(key=found["method"].str.casefold(), measured=found["mean"], measured_sd=found["sd"])
    found = found[["metric", "key", "dataset", "measured", "measured_sd", "preset", "n_genes"]]
    table = table.assign(key=table["method"].str.casefold())
    return table.merge(found, how="left", on=["metric", "key", "dataset"]).drop(columns="key")


def too_large_rmse(table: pd.DataFrame) -> tuple[int, int]:
    """The number of rows with a reported RMSE above sqrt(2 - 2 PCC), and the number of all rows.

    That is the largest mean RMSE of z-scores at a given mean PCC. Half a unit of the last digit is tolerated.
    """
    wide = table.drop_duplicates(["metric", "method", "dataset"])
    wide = wide.pivot(index=["method", "dataset"], columns="metric", values="mean")
    if "rmse" not in wide:
        return 0, 0
    bound = (2 - 2 * (wide["pcc"] - 0.0005)) ** 0.5 + 0.0005
    return int((wide["rmse"] > bound).sum()), len(wide)


def sections(board: Board) -> list[Section]:
    """The scores of every source, with those of the board for the same methods and datasets."""
    return [_section(source, beside(read(source), board)) for source in SOURCES]


def _section(source: Source, table: pd.DataFrame) -> Section:
    notes = list(source.notes)
    n_above, n_rows = too_large_rmse(table)
    if n_rows:
        notes.append(
            "RMSE of z-scores is sqrt(2 - 2 PCC) for every gene, so its mean is at most that of the mean "
            f"PCC. The reported RMSE is above this bound in {n_above} of {n_rows} cells."
        )
    n_measured = table.dropna(subset="measured")[["method", "dataset"]].drop_duplicates().shape[0]
    notes.append(f"Measured on this board: {n_measured} of its pairs of method and dataset.")
    datasets = list(dict.fromkeys(table["dataset"]))
    cells: dict[str, dict[str, dict[str, str]]] = {}  # by metric, method and dataset
    for row in table.itertuples():
        own = cells.setdefault(str(row.metric), {}).setdefault(str(row.method), {})
        text = own.setdefault(str(row.dataset), mean_sd(row.mean, row.spread))
        if not isnan(row.measured):
            measured = f"measured {mean_sd(row.measured, row.measured_sd)} ({preset_text(row.preset)})"
            own[str(row.dataset)] = f"{text}; {measured}"
    metrics = {
        metric: [[method, *(own.get(dataset, "–") for dataset in datasets)] for method, own in rows.items()]
        for metric, rows in cells.items()
    }
    return Section(source.title, notes, datasets, metrics)


def _markdown(section: Section) -> Iterator[str]:
    yield from (f"## {escape(section.title)}", "")
    yield from (f"- {note}" for note in section.notes)
    yield ""
    for metric, rows in section.metrics.items():
        yield from (f"### {metric}", "")
        yield from pipe_table(["method", *section.datasets], [[escape(text) for text in row] for row in rows])
