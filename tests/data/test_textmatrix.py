import gzip

import numpy as np
import pytest

from stbench.data import textmatrix
from stbench.data.textmatrix import read_text_matrix
from stbench.errors import StbenchError


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("\ta\tb\nr\t0\t2\ns\t1.5\t0\n", ["r", "s"], ["a", "b"]),  # empty corner
        ("a\tb\nr\t0\t2\ns\t1.5\t0\n", ["r", "s"], ["a", "b"]),  # as R writes it
        ('"x"\t"a"\t"b"\n"r"\t0\t2\n"s"\t1.5\t0\n', ["r", "s"], ["a", "b"]),  # a named corner, quotes
        ("a\tb\n0\t2\n1.5\t0\n", ["row0", "row1"], ["a", "b"]),  # no names of rows
        ("a\ta\n0\t2\n1.5\t0\n", ["row0", "row1"], ["a", "a"]),  # repeated names are kept
        ("\ta\tb\r\nr\t0\t2\r\ns\t1.5\t0\r\n", ["r", "s"], ["a", "b"]),  # line ends of Windows
    ],
)
@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_layouts(tmp_path, text, rows, columns):
    (tmp_path / "t.txt").write_text(text)
    table = read_text_matrix(tmp_path / "t.txt")
    assert (list(table.obs_names), list(table.var_names)) == (rows, columns)
    np.testing.assert_array_equal(table.X.toarray(), np.array([[0, 2], [1.5, 0]], dtype=np.float32))


def test_compressed_csv(tmp_path):
    with gzip.open(tmp_path / "t.csv.gz", "wt") as file:
        file.write(",a,b\nr,0,2\n")
    table = read_text_matrix(tmp_path / "t.csv.gz")
    assert table.shape == (1, 2)
    assert table["r", "b"].X.toarray() == 2


def test_many_blocks_give_the_same_table(tmp_path, monkeypatch):
    values = np.random.default_rng(0).poisson(0.5, (300, 40))
    lines = ["\t".join(["", *(f"g{i}" for i in range(40))])]
    lines += ["\t".join([f"c{i}", *map(str, row)]) for i, row in enumerate(values)]
    (tmp_path / "t.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(textmatrix, "BLOCK_BYTES", 1000)
    table = read_text_matrix(tmp_path / "t.txt")
    np.testing.assert_array_equal(table.X.toarray(), values)
    assert list(table.obs_names) == [f"c{i}" for i in range(300)]


@pytest.mark.parametrize(
    "content",
    ["", "a\tb\n", "a\tb\n1\n", "a\tb\n1\t2\n3\n", "\ta\nr\tx\n", "a\tb\n1\t2\n1\tx\n", "\xff\xfe\x00"],
)
def test_what_is_no_table_is_one_clear_error(tmp_path, content):
    (tmp_path / "t.txt").write_bytes(content.encode("latin1"))
    with pytest.raises(StbenchError, match="t.txt"):
        read_text_matrix(tmp_path / "t.txt")


def test_a_missing_value_is_kept_as_one(tmp_path):
    (tmp_path / "t.txt").write_text("a\tb\n1\tNA\n")
    assert np.isnan(read_text_matrix(tmp_path / "t.txt").X.toarray()).tolist() == [[False, True]]
