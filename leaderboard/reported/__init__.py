"""``reported.md`` and ``reported.csv``: what papers report, beside what this board measured, never ranked.

The figures are the CSV files of this folder (metric, method, dataset, mean, spread), copied from their
sources; nothing here computes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.board.pipes import escape, pipe_table
from stbench.leaderboard import register

if TYPE_CHECKING:
    import pandas as pd

    from stbench.board.board import Board

INTRODUCTION = """\
The figures here were printed by the papers named below. They were not computed by stbench, take
part in no rank, and do not compare with measured ones: splits, preparation and formulas differ. Where this
board has the same method on the same dataset, its own mean follows the reported one as
"measured". "±" is the spread that the source prints; of measured values it is the sd over genes.
"""


@dataclass(frozen=True)
class Section:
    """The figures of one source beside those of a board, as the page and ``reported.md`` show them.

    ``metrics`` holds by metric the rows of its table: the method, then a text per dataset.
    """

    title: str
    notes: list[str]
    datasets: list[str]
    metrics: dict[str, list[list[str]]]


@dataclass(frozen=True)
class Source:
    """A file of reported figures, where they come from, and what to know of them."""

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
    """The paths of ``reported.md`` and ``reported.csv``."""
    import pandas as pd

    page, file = folder / "reported.md", folder / "reported.csv"
    lines = [line for section in sections(board) for line in _markdown(section)]
    text = "\n".join(["# Reported beside measured", "", INTRODUCTION, *lines])
    page.write_text(text + "\n", encoding="utf-8")
    frames = [beside(read(source), board).assign(source=source.title) for source in SOURCES]
    pd.concat(frames).to_csv(file, index=False, lineterminator="\n")
    return [page, file]


def read(source: Source) -> pd.DataFrame:
    """The reported figures of a source, columns metric, method, dataset, mean, spread."""
    import pandas as pd

    return pd.read_csv(Path(__file__).parent / source.file)


def beside(table: pd.DataFrame, board: Board) -> pd.DataFrame:
    """The reported figures with ``measured``, ``measured_sd``, ``preset`` and ``n_genes`` of this board.

    Names of methods are compared whatever the case, those of datasets exactly; only whole datasets (no
    limit) with the status ok count, with one row per preset.
    """
    summary = board.summary()
    found = summary[(summary["status"] == "ok") & (summary["limit"] == "")]
    found = found.assign(key=found["method"].str.casefold())
    found = found[["metric", "key", "dataset", "mean", "sd", "preset", "n_genes"]]
    found = found.rename(columns={"mean": "measured", "sd": "measured_sd"})
    table = table.assign(key=table["method"].str.casefold())
    return table.merge(found, how="left", on=["metric", "key", "dataset"]).drop(columns="key")


def too_large_rmse(table: pd.DataFrame) -> tuple[int, int]:
    """In how many rows the reported RMSE is above sqrt(2 - 2 PCC), and of how many.

    That is the largest mean RMSE of z-scores at a given mean PCC, half a unit of the last digit allowed.
    """
    wide = table.drop_duplicates(["metric", "method", "dataset"])
    wide = wide.pivot(index=["method", "dataset"], columns="metric", values="mean")
    if "rmse" not in wide:
        return 0, 0
    bound = (2 - 2 * (wide["pcc"] - 0.0005)) ** 0.5 + 0.0005
    return int((wide["rmse"] > bound).sum()), len(wide)


def sections(board: Board) -> list[Section]:
    """What every source reports, beside what the board measured of the same methods and datasets."""
    return [_section(source, beside(read(source), board)) for source in SOURCES]


def _section(source: Source, table: pd.DataFrame) -> Section:
    notes = list(source.notes)
    n_above, n_rows = too_large_rmse(table)
    if n_rows:
        notes.append(
            "RMSE of z-scores is sqrt(2 - 2 PCC) for every gene, so its mean is at most that of the mean "
            f"PCC. The reported RMSE is above it in {n_above} of {n_rows} cells."
        )
    n_measured = table.dropna(subset="measured")[["method", "dataset"]].drop_duplicates().shape[0]
    notes.append(f"Measured on this board: {n_measured} of its pairs of method and dataset.")
    datasets = list(dict.fromkeys(table["dataset"]))
    metrics = {
        str(metric): [
            [str(method), *(_cell(own[own["dataset"] == dataset]) for dataset in datasets)]
            for method, own in rows.groupby("method", sort=False)
        ]
        for metric, rows in table.groupby("metric", sort=False)
    }
    return Section(source.title, notes, datasets, metrics)


def _markdown(section: Section) -> Iterator[str]:
    yield from (f"## {escape(section.title)}", "")
    yield from (f"- {note}" for note in section.notes)
    yield ""
    for metric, rows in section.metrics.items():
        yield from (f"### {metric}", "")
        yield from pipe_table(["method", *section.datasets], [[escape(text) for text in row] for row in rows])


def _cell(rows: pd.DataFrame) -> str:
    """The reported figure and, where there is one, the measured one of each preset."""
    if rows.empty:
        return "–"
    text = _figure(rows["mean"].iloc[0], rows["spread"].iloc[0])
    measured = [
        f"measured {_figure(row.measured, row.measured_sd)} ({row.preset})"
        for row in rows.itertuples()
        if not isnan(row.measured)
    ]
    return "; ".join([text, *measured])


def _figure(mean: float, spread: float) -> str:
    return f"{mean:.3f}" if isnan(spread) else f"{mean:.3f} ± {spread:.3f}"
