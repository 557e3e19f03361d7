"""Markdown tables with pipes, as GitHub and Pandoc read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, isnan

MAX_COLUMNS = 10  # a reader sees them side by side


def pipe_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, keys: int = 1) -> Iterator[str]:
    """The lines of a table, whose cells are already escaped, and an empty line.

    A table with more than `MAX_COLUMNS` columns becomes several of nearly the same width; each begins with
    the first ``keys`` columns.
    """
    n_tables = max(1, ceil((len(head) - keys) / (MAX_COLUMNS - keys)))
    width = ceil((len(head) - keys) / n_tables)
    for start in range(keys, max(len(head), keys + 1), max(width, 1)):
        columns = [*range(keys), *range(start, min(start + width, len(head)))]
        yield "| " + " | ".join(escape(head[i]) for i in columns) + " |"
        yield "|" + " --- |" * len(columns)
        yield from ("| " + " | ".join(row[i] for i in columns) + " |" for row in rows)
        yield ""


def mean_sd(mean: float, sd: float) -> str:
    """``0.500 ± 0.100``, without the sd if it is NaN; a dash if the mean is NaN."""
    if isnan(mean):
        return "–"
    return f"{mean:z.3f}" if isnan(sd) else f"{mean:z.3f} ± {sd:.3f}"


def escape(text: str) -> str:
    """``text`` on one line, with an escape for each character that is markup in Markdown."""
    text = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_|[]<>~#" else letter for letter in text)
