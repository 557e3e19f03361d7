"""The pages of the docs that are made from the registries and from the published scores."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stbench.board.board import Board
from stbench.board.columns import ROW
from stbench.board.pipes import pipe_table
from stbench.config.variants import parameter_table
from stbench.data.cache import load
from stbench.data.limit import Limit
from stbench.data.sources import catalogue
from stbench.data.split import make_splits
from stbench.data.visible import visible_spatial
from stbench.leaderboard.figures.drawn import Drawn
from stbench.leaderboard.figures.of_scores import headline_figures
from stbench.method import Method
from stbench.methods import REGISTRY as METHODS
from stbench.methods import Context
from stbench.metrics import REGISTRY as METRICS
from stbench.plot import RC, spatial_map, styles
from stbench.tables import dense
from stbench.task import Task

HERE = Path(__file__).parent
TISSUE, LIMIT = "pdac_a_mini", Limit(cells=200, spots=250, genes=60)  # embedded, real
QUICK = 0.5  # seconds of a run on the published board: such a method is run for its page


def method_pages(folder: Path, board: Board) -> None:
    """``methods.md``, the list of all methods, and a page with figures for each in ``methods/``."""
    shutil.rmtree(folder / "methods", ignore_errors=True)  # a method may be gone
    (folder / "methods").mkdir()
    lines = ["# Methods", "", "What each method does, where its defaults come from, and how it deviates.", ""]
    lines += ["| method | family | source |", "|---|---|---|"]
    wrappers = METHODS.wrappers.items()
    known = sorted((METHODS.items() | wrappers).items())
    for name, cls in known:
        title = f"{name}(method)" if name in wrappers else name
        lines.append(f"| [{title}](methods/{name}.md) | {cls.info.family} | {cls.info.paper} |")
        (folder / "methods" / f"{name}.md").write_text(_method_page(folder / "methods", name, cls, board))
    names = [f"methods/{name}" for name, _ in known]
    lines += ["", "```{toctree}", ":hidden:", "", *names, "```", ""]
    (folder / "methods.md").write_text("\n".join(lines))


def _method_page(folder: Path, name: str, cls: type[Method], board: Board) -> str:
    """Where a method comes from, what it needs, its docstring, its figures and presets."""
    info = cls.info
    source = f"{info.paper}, <{info.link}>" if info.link else info.paper
    needs = ", ".join(info.packages) or "nothing beyond the core"
    parts = [f"# {name}\n\n*{info.family}*. {source}. Needs {needs}. Version {info.version}.\n"]
    parts.append(f"```{{eval-rst}}\n.. autoclass:: {cls.__module__}.{cls.__name__}()\n```\n")
    head, values = parameter_table(cls)
    if values:
        in_code = [[name, *(f"`{value}`" for value in row)] for name, *row in values]
        parts += ["## Parameters\n", *pipe_table(head, in_code)]
    rows = [row for row in board.names if row[0] == name and row[1] != "control"]
    figures = [_scores(board, row) for row in rows]
    seconds = board.runs.loc[board.runs["method"] == name, "predict_s"].median()
    if seconds < QUICK and not cls.missing():
        figures.append(_maps(name))
    if figures:
        parts.append("## On tissues\n")
    for figure in figures:
        parts.append(_drawn(folder, figure))
    return "\n".join(parts)


def _drawn(folder: Path, one: Drawn) -> str:
    """The figure as a file in ``folder``, and the markdown that shows it with its caption."""
    with mpl.rc_context({**RC, "savefig.dpi": 110}):
        one.figure.savefig(folder / f"{one.name}.png")
    return f"```{{figure}} /{(folder / one.name).relative_to(HERE)}.png\n{one.caption}\n```\n"


def _scores(board: Board, row: tuple[str, str, str]) -> Drawn:
    """The scores of a row on every tissue of the published board, between all others."""
    table = board.bootstrap_means
    table = table[(table["metric"] == board.headline) & table["mean"].notna()]
    others = table[table["kind"] != "control"]
    own = others[(others[ROW] == row).all(axis=1)].set_index("dataset")[["mean", "low", "high"]]
    ends = others.groupby("dataset")["mean"].agg(["min", "max"]).loc[own.index]
    name = board.names[row]
    return Drawn(
        f"scores_{row[0]}_{row[2] or 'default'}",
        f"Mean {board.headline} of {name} on the tissues of [the published board](../../board.md), with its "
        "95 % interval. The grey bar is from the lowest to the highest method. The limits of these numbers "
        "are on that page.",
        _draw_scores,
        (name, own, ends, board.headline),
    )


def _draw_scores(name: str, own: pd.DataFrame, ends: pd.DataFrame, metric: str) -> Figure:
    figure = Figure(figsize=(6, 0.24 * len(own) + 0.7), layout="constrained")
    ax = figure.subplots()
    places = np.arange(len(own))[::-1]
    ax.barh(places, ends["max"] - ends["min"], left=ends["min"], height=0.55, color="#DDDDDD")
    look = styles([name])[name]
    spread = [own["mean"] - own["low"], own["high"] - own["mean"]]
    ax.errorbar(own["mean"], places, xerr=spread, fmt=look.marker, color=look.colour, lw=1, markersize=5)
    ax.set_yticks(places, own.index)
    ax.set_xlabel(f"mean {metric} (higher is better)")
    return figure


@cache
def _task() -> tuple[Task, np.ndarray]:
    """The task of the first rotation on the embedded real tissue, and its truth."""
    pair = load(catalogue([])[TISSUE], LIMIT)
    split = make_splits(pair.genes)[0]
    genes = list(split.test)
    task = Task(pair.reference, visible_spatial(pair.spatial, split, "counts"), genes)
    return task, dense(pair.spatial, genes)


def _maps(name: str) -> Drawn:
    """The true and the predicted maps of three test genes."""
    task, truth = _task()
    found = METHODS.get(name)().predict(task, Context())
    predicted = np.asarray(getattr(found, "values", found), dtype=float)
    shown = np.argsort(-truth.var(axis=0))[:3]
    maps = [(task.targets[i], truth[:, i], predicted[:, i]) for i in shown]
    return Drawn(
        f"maps_{name}",
        f"Three hidden genes of `{TISSUE}` (a real tissue, cut down), above the truth, below what {name} "
        "predicts: z-scores, one colour scale. This is one rotation, made when this page was built.",
        _draw_maps,
        (name, task.spatial.obsm["spatial"], maps),
    )


def _draw_maps(name: str, places: np.ndarray, maps: list[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(2 * len(maps), 4.2), layout="constrained")
    for (above, below), (gene, truth, predicted) in zip(figure.subplots(2, len(maps)).T, maps, strict=True):
        spatial_map(places, truth, above, title=f"{gene}, truth")
        spatial_map(places, predicted, below, title=name)
    return figure


def metric_cards() -> str:
    """One section per metric: its definition as the docstring states it."""
    parts = []
    for name, metric in sorted(METRICS.items().items(), key=lambda item: (not item[1].primary, item[0])):
        best = {"high": "higher is better", "low": "lower is better", "level": "should meet the level"}
        kind = "Primary. " if metric.primary else ""
        low, high = metric.bounds
        parts.append(
            f"### {name}\n\n{kind}Definition {metric.definition}, from {low:g} to {high:g}, "
            f"{best[metric.best]}.\n"
        )
        function = metric.function
        parts.append(f"```{{eval-rst}}\n.. autofunction:: {function.__module__}.{function.__name__}\n```\n")
    return "\n".join(parts)


def gallery(folder: Path, board: Board) -> str:
    """The main figures of the published board, each with its caption; that of ten panels is too wide."""
    figures = [one for one in headline_figures(board) if not one.name.endswith("by-dataset")]
    return "\n".join(f"## {one.name}\n\n{_drawn(folder, one)}" for one in figures)
