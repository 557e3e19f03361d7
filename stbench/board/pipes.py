"""Markdown tables with pipes, as GitHub and Pandoc read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def pipe_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, whose cells are already escaped, and an empty line."""
    yield "| " + " | ".join(escape(name) for name in head) + " |"
    yield "|" + " --- |" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def escape(text: str) -> str:
    """``text`` on one line, with an escape for each character that is markup in Markdown."""
    text = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_|[]<>~#" else letter for letter in text)
