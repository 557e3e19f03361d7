"""HTML for notebooks: what an object shows of itself as the last line of a cell."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def sentence_and_table(sentence: str, table: pd.DataFrame) -> str:
    """HTML with a sentence above a table, whose numbers have three decimals; names are escaped."""
    shown = table.to_html(float_format="{:.3f}".format, na_rep="–", border=0)
    return f"<p>{escape(sentence)}</p>\n{shown}"
