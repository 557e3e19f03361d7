"""Markdown tables with pipes, as GitHub and Pandoc read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def pipe_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table of cells that are escaped already, and the empty line behind it."""
    yield "| " + " | ".join(escape(name) for name in head) + " |"
    yield "|" + " --- |" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def escape(text: str) -> str:
    """``text`` on one line, its characters that Markdown would read as markup escaped."""
    text = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_|[]<>~#" else letter for letter in text)
