"""The style of a method: one colour and one marker by name, in every figure and on the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

# For colour-blind readers: Okabe and Ito 2008 without black and yellow, and three of Paul Tol's "muted"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#332288", "#999933")
MARKERS = ("o", "s", "^", "D", "v", "X", "P")  # matplotlib
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "x", "cross")  # the same, plotly
N_STYLES = len(PALETTE) * len(MARKERS)
SALT = 7  # with this value few methods of this package share a colour
INK = "#222222"
GREY = "#8A8A8A"

RC: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # text remains editable
    "svg.fonttype": "none",
    "svg.hashsalt": "stbench",  # the same figure is the same file
}


@dataclass(frozen=True)
class Style:
    """Colour (hex), matplotlib marker and the plotly symbol of the same shape."""

    colour: str
    marker: str
    symbol: str


CONTROL = Style(GREY, "_", "line-ew")


def styles(names: Iterable[str]) -> dict[str, Style]:
    """The style of every name; ``spage(n_pv=30)`` and ``spage [paper]`` look like ``spage``.

    The name determines the style, so a method looks the same on every board. When two names have one style,
    the later name gets the next style; registered methods come first, whether shown or not. Controls are
    grey. A name that ends in ``[run elsewhere]`` has a star, which no measured method has.
    """
    from stbench.board.submitted import ELSEWHERE
    from stbench.method import REGISTRY
    from stbench.scoring.controls import CEILING, PERFECT
    from stbench.scoring.oracle import ORACLE

    names = list(names)
    known = REGISTRY.items()
    controls = {name for name, method in known.items() if method.info.kind == "control"}
    controls |= {PERFECT, CEILING, ORACLE}
    others = sorted({base(name) for name in names} - set(known) - controls)
    chosen = dict.fromkeys(controls, CONTROL)
    taken: set[int] = set()
    for name in [*(name for name in known if name not in controls), *others]:
        place = crc32(f"{SALT}{name}".encode()) % N_STYLES
        while place in taken and len(taken) < N_STYLES:
            place = (place + 1) % N_STYLES
        taken.add(place)
        shape, colour = divmod(place, len(PALETTE))
        chosen[name] = Style(PALETTE[colour], MARKERS[shape], SYMBOLS[shape])
    looks = {name: chosen[base(name)] for name in names}
    return {
        name: replace(look, marker="*", symbol="star") if name.endswith(f"[{ELSEWHERE}]") else look
        for name, look in looks.items()
    }


def base(name: str) -> str:
    """The method in a name with parameters or a preset."""
    return name.split("(")[0].split(" [")[0]
