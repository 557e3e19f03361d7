"""From what a user writes to typed values."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Interval

from stbench.config import values
from stbench.data.limit import Limit


@pytest.mark.parametrize(
    ("written", "read"),
    [("90s", 90.0), ("30m", 1800.0), ("1.5h", 5400.0), (90, 90.0), (0.5, 0.5)],
)
def test_times(written, read):
    assert values.seconds(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [("500MB", 500_000_000), ("8GB", 8_000_000_000), ("1.5 TB", 1_500_000_000_000), (1000, 1000)],
)
def test_sizes(written, read):
    assert values.n_bytes(written) == read


@pytest.mark.parametrize(
    ("parse", "wrong"),
    [
        *((values.seconds, wrong) for wrong in ("90", "0s", "-1s", "soon", None, -3, float("nan"))),
        *((values.n_bytes, wrong) for wrong in ("8", "0GB", "many", None, 0, "-1GB")),
        *((values.path, wrong) for wrong in ("", 3, "a\0b")),
        *((values.settings, wrong) for wrong in ("knn=3", "knn.k", ".k=3", {"knn": 3})),
        (Limit.parse, "cells=0"),
        (Limit.parse, "cells=3,cells=4"),
        (Limit.parse, "rows=3"),
    ],
)
def test_a_wrong_value_says_what_is_taken(parse, wrong):
    with pytest.raises(ValueError, match="takes .*, not"):
        parse(wrong)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        *((Annotated[int, Interval(ge=1, le=10)], wrong) for wrong in (0, 11, "x", 1.5, True, None)),
        *((Literal["a", "b"], wrong) for wrong in ("c", None, 1)),
        *((bool, wrong) for wrong in (2, "a", None)),
    ],
)
def test_a_value_of_another_type_says_what_is_taken(kind, wrong):
    with pytest.raises(ValueError, match=f"does not take '{wrong}': Input should"):
        values.of_type(kind)(wrong)


def test_lists_may_be_written_with_commas(tmp_path):
    assert values.names("a, b") == values.names(["a", "b"]) == ("a", "b")
    (tmp_path / "a, b").mkdir()
    assert values.names(str(tmp_path / "a, b")) == (str(tmp_path / "a, b"),)
    many = [f"Gene{i}" for i in range(10_000)]  # more than the name of a file may have
    assert values.names(",".join(many)) == tuple(many)
    with pytest.raises(ValueError, match="takes names with commas"):
        values.names("a\nb")
    assert values.names("a,b\0") == ("a", "b\0")
    assert values.names('"H2,K1", b') == values.names(["H2,K1", "b"]) == ("H2,K1", "b")
    assert values.paths("a,b") == (Path("a"), Path("b"))
    assert values.paths(Path("a,b")) == (Path("a,b"),)


def test_a_value_is_swept_once_in_its_order():
    assert values.swept("3, 5,3") == [3, 5]
    assert values.swept("cosine,l2") == ["cosine", "l2"]
    assert values.swept("[6, 30],[6]") == [[6, 30], [6]]
    assert values.swept('"a,b",c') == ['"a,b"', "c"] or values.swept('"a,b","c"') == ["a,b", "c"]
    assert values.swept([True, False]) == [True, False]
