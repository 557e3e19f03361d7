"""The plots of the page that do not depend on the filters, as plotly figures in JSON."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from stbench.plot.cost import pareto_front

from .ranking import number

SOFT = "#9aa3ad"
COSTS = {
    "predict_s": ("median seconds of the method", 1.0),
    "peak_rss_bytes": ("median peak memory, GB", 1e9),
}


def plots(numbers: dict[str, Any]) -> dict[str, Any]:
    """Figures by the id of their element in the page, without empty ones.

    ``numbers`` is the result of `stbench.leaderboard.site.content.content`.
    """
    looks = {row["name"]: row for row in numbers["rows"]}
    figures = {"meanranks": _mean_ranks(numbers["comparisons"]["ranks"], looks)}
    figures["wins"] = _wins(numbers["comparisons"]["wins"], list(looks))
    for key, (words, unit) in COSTS.items():
        figures[f"cost_{key}"] = _cost(numbers["rows"], numbers["headline"], key, words, unit)
    return {name: json.loads(figure.to_json()) for name, figure in figures.items() if figure is not None}


def _figure(traces: list[Any], title: str, *, showlegend: bool = False, **layout: Any) -> go.Figure:
    figure = go.Figure(traces)
    figure.update_layout(
        template="none",
        title={"text": title, "font": {"size": 12.5}, "x": 0.01, "xanchor": "left"},
        font={"family": "system-ui, sans-serif", "size": 12},  # the page colours text and grid
        margin={"l": 60, "r": 10, "t": 40, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=showlegend,
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "font": {"size": 11}},
        **layout,
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(zeroline=False, automargin=True)
    return figure


def _mean_ranks(ranks: dict[str, Any], looks: dict[str, Any]) -> go.Figure | None:
    """Mean ranks from 1 to N, with half the critical difference on each side where it is inside."""
    if not ranks:
        return None
    order = list(ranks["mean_ranks"])[::-1]
    places = [ranks["mean_ranks"][name] for name in order]
    half, n = ranks["critical_difference"] / 2, len(order)
    colours, symbols = ([looks[name][key] for name in order] for key in ("colour", "symbol"))
    trace = go.Scatter(
        x=places,
        y=[escape(name) for name in order],
        text=[number(place, 2) for place in places],
        mode="markers",
        marker={"color": colours, "symbol": symbols, "size": 9},
        error_x={"type": "data", "symmetric": False, "thickness": 1, "width": 0, "color": SOFT}
        | {"array": [min(half, n - x) for x in places], "arrayminus": [min(half, x - 1) for x in places]},
        hovertemplate="%{y}: mean rank %{text}<extra></extra>",
    )
    ticks = {"tick0": 1, "dtick": 1 if n <= 15 else 5}
    xaxis = {"title": f"mean rank, 1 is best of {n}", "range": [0.7, n + 0.3], **ticks}
    return _figure([trace], "Mean rank; bars that do not overlap differ", xaxis=xaxis)


def _wins(wins: list[dict[str, Any]], order: list[str]) -> go.Figure | None:
    """Win rates, methods x methods."""
    rates = {(pair["first"], pair["second"]): pair["win_rate"] for pair in wins}
    names = [name for name in order if any(name == first for first, _ in rates)]
    if len(names) < 2:
        return None
    labels = [escape(name) for name in names]
    trace = go.Heatmap(
        x=labels,
        y=labels,
        z=[[rates.get((first, second)) for second in names] for first in names],
        zmin=0,
        zmax=1,
        colorscale="Cividis",
        hoverongaps=False,
        hovertemplate="%{y} beats %{x} on %{z:.0%} of the genes<extra></extra>",
        colorbar={"tickformat": ".0%", "thickness": 10},
    )
    figure = _figure([trace], "Share of genes on which the row beats the column")
    figure.update_xaxes(tickangle=-50, showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _cost(rows: list[dict[str, Any]], headline: str, key: str, words: str, unit: float) -> go.Figure | None:
    """The headline score against one cost, with the Pareto front; the cheapest is first in the legend."""
    known = [r for r in rows if r["kind"] != "control" and r[headline] is not None and r[key] is not None]
    known = sorted(known, key=lambda row: (row[key], row[headline]))
    if not known:
        return None
    cost = np.array([row[key] / unit for row in known])
    score = np.array([row[headline] for row in known])
    front = pareto_front(cost, score)
    look = {"mode": "lines", "line": {"shape": "hv", "color": SOFT}}
    line = go.Scatter(x=cost[front], y=score[front], **look, hoverinfo="skip", showlegend=False)
    hover = f"%{{fullData.name}}<br>mean {headline} %{{text}}<br>{words} %{{x:.3g}}<extra></extra>"
    dots = [
        go.Scatter(
            x=[x],
            y=[y],
            text=[number(y)],
            mode="markers",
            name=escape(row["name"]),
            marker={"color": row["colour"], "symbol": row["symbol"], "size": 9},
            hovertemplate=hover,
        )
        for row, x, y in zip(known, cost, score, strict=True)
    ]
    ticks = [m * 10.0**e for e in range(-3, 6) for m in (1, 2, 5)]
    xaxis = {
        "title": f"{words} (log)",
        "type": "log",
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
        "range": [float(np.log10(cost.min() / 1.5)), float(np.log10(cost.max() * 1.5))],
    }
    yaxis = {"title": f"mean {headline} (higher is better)"}
    title = f"Mean {headline} against {words.removeprefix('median ')}"
    return _figure([line, *dots], title, xaxis=xaxis, yaxis=yaxis, showlegend=True)
