"""Markdown tables with pipes, as GitHub and Pandoc read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan


def pipe_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, whose cells are already escaped, and an empty line."""
    yield "| " + " | ".join(escape(name) for name in head) + " |"
    yield "|" + " --- |" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def mean_sd(mean: float, sd: float) -> str:
    """``0.500 ± 0.100``, without the sd if it is NaN; a dash if the mean is NaN."""
    if isnan(mean):
        return "–"
    return f"{mean:.3f}" if isnan(sd) else f"{mean:.3f} ± {sd:.3f}"


def escape(text: str) -> str:
    """``text`` on one line, with an escape for each character that is markup in Markdown."""
    text = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_|[]<>~#" else letter for letter in text)
