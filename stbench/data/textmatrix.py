"""Reads text tables of numbers block by block into sparse matrices, so that an atlas fits in memory."""

from __future__ import annotations

import csv
import io
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from anndata import AnnData
from pyarrow import csv as arrow
from scipy import sparse

from stbench.data.columns import EXACT, names_rows
from stbench.data.decisions import Decisions
from stbench.errors import StbenchError, first_line

BLOCK_BYTES = 1 << 26  # text that is parsed at once; wide lines are slow in small blocks
SAMPLE_LINES = 200  # that are looked at to understand a table
SAMPLE_CHARACTERS = 1 << 24
FEW = 20  # lines; fewer cannot tell an identifier from counts
DELIMITERS = (",", "\t", ";", " ")
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def read_text_matrix(
    file: Path, *, named_rows: bool | None = None, unnamed: str = "row", decisions: Decisions | None = None
) -> AnnData:
    """The table in ``file``, rows x columns as in the file, float32 CSR; columns of text are in ``obs``.

    The file has a header, and fields separated by commas, tabs, semicolons or spaces. It may be compressed
    (``.gz``), begin with a byte-order mark, and have decimal commas. ``named_rows`` is whether the first
    column holds names. By default it does where the header has one field less than the rows (as R writes
    it), where the header of that column is empty or a known name of identifiers, and where its values are
    no numbers or near-unique whole numbers. Rows without names are called ``unnamed`` and their number from
    0. ``decisions`` gets what was understood.

    Raises `StbenchError` for a file that is not such a table; the message names the file.
    """
    decisions = decisions or Decisions(quiet=True)
    try:
        layout = _layout(file, named_rows)
        texts: dict[int, list[str]] = {place: [] for place in layout.texts}
        parts = []
        for block in _blocks(file, layout):
            columns = [block.column(str(i)).to_numpy(zero_copy_only=False) for i in layout.numbers]
            parts.append(sparse.csr_matrix(np.stack(columns, axis=1)))
            for place, values in texts.items():
                values += block.column(str(place)).to_pylist()
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise StbenchError(f"File '{file}' is not a table of numbers ({first_line(error)}).") from error
    if layout.said:
        decisions.say(f"{file.name}: {', '.join(layout.said)}")
    values = sparse.vstack(parts, format="csr")
    if layout.rows is None:
        rows = [f"{unnamed}{i}" for i in range(values.shape[0])]
    else:
        rows = texts.pop(layout.rows)
    obs = pd.DataFrame({layout.header[i]: column for i, column in texts.items()}, index=rows)
    return AnnData(values, obs=obs, var=pd.DataFrame(index=[layout.header[i] for i in layout.numbers]))


def text_shape(file: Path, *, named_rows: bool | None = None) -> tuple[int, int]:
    """Rows and columns of the table in ``file`` as `read_text_matrix` finds them, by counting lines."""
    try:
        layout = _layout(file, named_rows)
        with pa.input_stream(file, compression="detect") as content:
            lines, last = 0, b""
            while block := content.read(BLOCK_BYTES):
                lines, last = lines + block.count(b"\n"), block
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise StbenchError(f"File '{file}' is not a table of numbers ({first_line(error)}).") from error
    return lines + (not last.rstrip(b"\0").endswith(b"\n")) - 1, len(layout.numbers)


@dataclass(frozen=True)
class Text:
    """How the lines of a text table are written, and the first of them: ``header`` and ``sample``."""

    encoding: str
    delimiter: str
    header: list[str]
    sample: list[list[str]]
    said: tuple[str, ...]

    @property
    def decimal(self) -> str:
        """The sign between a number and its decimals."""
        values = (value.strip() for row in self.sample for value in row)
        commas = self.delimiter != "," and any(re.fullmatch(r"-?\d+,\d+", value) for value in values)
        return "," if commas else "."


def sniffed(file: Path) -> Text:
    """The encoding and the delimiter of a text table by its first lines; `StbenchError` for no table."""
    with pa.input_stream(file, compression="detect") as content:
        start = content.read(4)
    encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8")
    with io.TextIOWrapper(pa.input_stream(file, compression="detect"), encoding=encoding) as text:
        lines, size = [], 0
        for line in itertools.islice(text, SAMPLE_LINES + 1):
            lines.append(line)
            size += len(line)
            if size > SAMPLE_CHARACTERS and len(lines) > 1:
                break
    if len(lines) < 2 or not lines[0].strip():
        raise StbenchError(f"File '{file}' is no table: it has no line of values below a header.")
    usual = "," if ".csv" in file.suffixes else "\t"
    ways = [(d, d) for d in sorted(DELIMITERS, key=lambda d: d != usual)]
    ways += [pair for pair in itertools.permutations(DELIMITERS, 2)]
    ways.append((usual, usual))
    for above, below in ways:  # the last way has its faults reported
        header = next(csv.reader(lines[:1], delimiter=above))
        sample = [row for row in csv.reader(lines[1:], delimiter=below) if row]
        sizes = {len(row) for row in sample}
        if len(header) > 1 and (sizes == {len(header)} or sizes == {len(header) + 1}):
            break
    names = {"\t": "tabs", ";": "semicolons", " ": "spaces", ",": "commas"}
    said = [f"separated by {names[below]}"] if below != usual else []
    if above != below:
        said = [f"header separated by {names[above]}, lines by {names[below]}"]
    if encoding != "utf-8":
        said.append(f"encoding {encoding}")
    return Text(encoding, below, header, sample, tuple(said))


@dataclass(frozen=True)
class _Layout:
    """A text table by the places of its columns: with the names of rows, with other text, with numbers."""

    text: Text
    decimal: str
    header: dict[int, str]
    rows: int | None
    texts: list[int]
    numbers: list[int]
    said: tuple[str, ...]


def _layout(file: Path, named_rows: bool | None) -> _Layout:
    """The layout by the first lines; `StbenchError` where they are no table."""
    text = sniffed(file)
    fields, first = text.header, text.sample[0]
    shift = len(first) - len(fields)
    if shift not in (0, 1):
        raise StbenchError(
            f"File '{file}' is no table: a header of {len(fields)} fields, a first line of {len(first)}."
        )
    header = dict(enumerate(["", *fields] if shift else fields))
    columns = list(itertools.zip_longest(*text.sample, fillvalue=""))[: len(header)]
    decimal = text.decimal
    kinds = {i: _kind(column, decimal) for i, column in enumerate(columns)}
    rows: int | None = 0
    if named_rows is False or (named_rows is None and not (shift or _names_rows(header, columns, kinds))):
        rows = None
    ids = [i for i, kind in kinds.items() if kind == "number" and _identifies(header[i], columns[i])]
    texts = [i for i, kind in kinds.items() if kind == "text" or i in ids or i == rows]
    said = list(text.said)
    if decimal == ",":
        said.append("decimal commas")
    if rows == 0 and not shift and header[0].strip() and kinds[0] != "text":
        said.append(f"names from column '{header[0]}'")
    if others := [header[i] for i in texts if i != rows]:
        said.append(f"no numbers of genes in {', '.join(map(repr, others[:5]))}")
    numbers = [i for i in header if i not in texts]
    if not numbers:
        raise StbenchError(f"File '{file}' is no table of numbers: all of its columns are text.")
    return _Layout(text, decimal, header, rows, texts, numbers, tuple(said))


def _names_rows(header: dict[int, str], columns: list[tuple[str, ...]], kinds: dict[int, str]) -> bool:
    """Whether the first column has names of rows."""
    if not header[0].strip() or kinds[0] == "text" or _identifies(header[0], columns[0]):
        return True
    values = columns[0]
    if len(values) < FEW or len(set(values)) < len(values) or not all(v.strip().isdigit() for v in values):
        return False
    numbers = [int(value) for value in values]
    increasing = all(a < b for a, b in itertools.pairwise(numbers))
    unlike = all(len(set(column)) < len(column) / 2 for column in columns[1:])
    return increasing or max(numbers) > EXACT or unlike


def _identifies(name: str, column: tuple[str, ...]) -> bool:
    """Whether a column of numbers has identifiers of rows."""
    return all(map(_is_number, column)) and names_rows(name, [float(value) for value in column])


def _kind(column: tuple[str, ...], decimal: str) -> str:
    """``text`` where most of the values that are not missing are no numbers."""
    present = [value for value in column if value.strip() not in ("", "NA", "nan", "NaN")]
    wrong = sum(not _is_number(value.replace(",", ".") if decimal == "," else value) for value in present)
    return "text" if wrong > len(present) / 2 else "number"


def _blocks(file: Path, layout: _Layout) -> arrow.CSVStreamingReader:
    positions = [str(i) for i in layout.header]  # names in the header may be repeated
    types = dict.fromkeys(positions, pa.float32()) | {str(i): pa.string() for i in layout.texts}
    encoding = "utf8" if layout.text.encoding.startswith("utf-8") else layout.text.encoding
    return arrow.open_csv(
        file,
        read_options=arrow.ReadOptions(
            skip_rows=1, column_names=positions, block_size=BLOCK_BYTES, encoding=encoding
        ),
        parse_options=arrow.ParseOptions(delimiter=layout.text.delimiter),
        convert_options=arrow.ConvertOptions(column_types=types, decimal_point=layout.decimal),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
