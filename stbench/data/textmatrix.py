"""Reads text tables of numbers block by block into sparse matrices, so that an atlas fits in memory."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from anndata import AnnData
from pyarrow import csv as arrow
from scipy import sparse

from stbench.errors import StbenchError, first_line

BLOCK_BYTES = 1 << 26  # text that is parsed at once; wide lines are slow in small blocks


def read_text_matrix(file: Path, *, named_rows: bool | None = None, unnamed: str = "row") -> AnnData:
    """The table in ``file``, rows x columns as in the file, float32 CSR.

    The file has a header and is comma separated (``.csv``) or tab separated, optionally compressed (``.gz``).
    ``named_rows`` is whether the first column holds names. By default it does where the header has one field
    less than the rows (as R writes it), where the header of the first column is empty, or where its first
    value is not a number. Rows without names are called ``unnamed`` and their number from 0.

    Raises `StbenchError` for a file that is not such a table; the message names the file.
    """
    try:
        layout = _layout(file, named_rows)
        rows: list[str] = []
        parts = []
        for block in _blocks(file, layout):
            columns = [column.to_numpy(zero_copy_only=False) for column in block.columns[layout.named_rows :]]
            parts.append(sparse.csr_matrix(np.stack(columns, axis=1)))
            rows += block.column(0).to_pylist() if layout.named_rows else []
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise StbenchError(f"File '{file}' is not a table of numbers ({first_line(error)}).") from error
    values = sparse.vstack(parts, format="csr")
    if not layout.named_rows:
        rows = [f"{unnamed}{i}" for i in range(values.shape[0])]
    return AnnData(values, obs=pd.DataFrame(index=rows), var=pd.DataFrame(index=layout.names))


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
    return lines + (not last.endswith(b"\n")) - 1, len(layout.names)


@dataclass(frozen=True)
class _Layout:
    """The delimiter of a text table, the names of its columns, and whether its rows have names."""

    delimiter: str
    names: list[str]
    named_rows: bool


def _layout(file: Path, named_rows: bool | None) -> _Layout:
    """The layout by the first two lines; `StbenchError` where they are no table."""
    delimiter = "," if ".csv" in file.suffixes else "\t"
    with io.TextIOWrapper(pa.input_stream(file, compression="detect"), encoding="utf-8") as text:
        lines = csv.reader(text, delimiter=delimiter)
        header, first = next(lines, []), next(lines, [])
    if not header or not first:
        raise StbenchError(f"File '{file}' is no table: it has no line of values below a header.")
    short_header = len(first) == len(header) + 1
    if named_rows is None:
        named_rows = short_header or header[0] == "" or not _is_number(first[0])
    names = header if short_header or not named_rows else header[1:]
    if len(first) != len(names) + named_rows:
        raise StbenchError(
            f"File '{file}' is no table: a header of {len(header)} fields, a first line of {len(first)}."
        )
    return _Layout(delimiter, names, named_rows)


def _blocks(file: Path, layout: _Layout) -> arrow.CSVStreamingReader:
    positions = [
        str(i) for i in range(len(layout.names) + layout.named_rows)
    ]  # names in the header may be repeated
    types = dict.fromkeys(positions, pa.float32())
    if layout.named_rows:
        types["0"] = pa.string()
    return arrow.open_csv(
        file,
        read_options=arrow.ReadOptions(skip_rows=1, column_names=positions, block_size=BLOCK_BYTES),
        parse_options=arrow.ParseOptions(delimiter=layout.delimiter),
        convert_options=arrow.ConvertOptions(column_types=types),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
