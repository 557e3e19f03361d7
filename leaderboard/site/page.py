"""Renders the page from the template, the libraries and the data."""

from __future__ import annotations

import json
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from stbench import __version__
from stbench.board.board import Board
from stbench.board.columns import preset_text
from stbench.board.tables import notes, shares
from stbench.board.words import in_words
from stbench.leaderboard.latex import document, tables
from stbench.leaderboard.reported import INTRODUCTION, sections

from .content import content
from .details import datasets, environments, methods, provenance
from .maps import maps
from .plots import plots
from .ranking import number, ranking

HERE = Path(__file__).parent
SCRIPTS = ("common.js", "scores.js", "page.js")  # one module, in this order


def page(board: Board) -> str:
    """The text of the page."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": number, "preset": preset_text}
    bundle = files("itables") / "html"
    numbers = content(board)
    gene_maps, figures = maps(board), plots(numbers)
    return environment.get_template("page.html").render(
        board=board,
        numbers=numbers,
        ranking=ranking(board, numbers["rows"]),
        words=in_words(board),
        citation=_citation(numbers["facts"]),
        notes=list(notes(board)),
        shares=shares(board),
        methods=methods(board),
        datasets=datasets(board),
        failures=board.failures().to_dict("records"),
        provenance=provenance(board),
        environments=environments(board),
        introduction=INTRODUCTION,
        reported=sections(board),
        maps=gene_maps,
        plots=figures,
        downloads=_downloads(board, numbers),
        data=_script(numbers | {"maps": gene_maps, "plots": figures}),
        style=Markup((bundle / "dt_bundle.css").read_text("utf-8") + (HERE / "page.css").read_text("utf-8")),
        script=Markup("\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS)),
        plotly=Markup(get_plotlyjs()),
        datatables=_uri("text/javascript", (bundle / "dt_bundle.js").read_text("utf-8")),
    )


def _citation(facts: dict[str, Any]) -> str:
    """A BibTeX entry for this board: what it compares, and when its runs were made."""
    last = facts["last_run"] or ""
    made = f", runs until {last}" if last else ""
    year = f"  year = {{{last[:4]}}},\n" if last else ""
    return (
        "@misc{stbench,\n"
        "  title = {stbench: a fair benchmark of gene prediction in spatial transcriptomics},\n"
        f"{year}"
        f"  note = {{Version {__version__}, board of {facts['n_methods']} methods on {facts['n_datasets']} "
        f"datasets{made}}}\n}}"
    )


def _downloads(board: Board, numbers: dict[str, Any]) -> dict[str, str]:
    """The downloads of the page, as data URIs by file name."""
    return {
        "leaderboard.csv": _uri("text/csv", board.summary().to_csv(index=False)),
        "leaderboard.json": _uri("application/json", json.dumps(numbers, allow_nan=False)),
        "table1.tex": _uri("application/x-tex", document(tables(board))),
    }


def _uri(kind: str, text: str) -> str:
    return f"data:{kind};base64,{b64encode(text.encode()).decode()}"


def _script(data: Any) -> Markup:
    """JSON for a script element, with escapes: no name in it can end the element."""
    text = json.dumps(data, allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)
