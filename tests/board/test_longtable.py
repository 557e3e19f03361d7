"""Published per-gene scores become a board; what is missing is marked."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stbench.board.comparisons import over_datasets, paired_tests, win_table
from stbench.board.longtable import read_long_table
from stbench.errors import StbenchError


def write(file, rows):
    pd.DataFrame(rows, columns=["dataset", "method", "gene", "metric", "value"]).to_csv(file, index=False)
    return file


@pytest.fixture
def published(tmp_path):
    """37 datasets x 8 methods x 2 metrics x 12 genes: m1 lacks a dataset, m2 lacks two genes of another."""
    rng = np.random.default_rng(0)
    rows = []
    for d, m, g in product(range(37), range(8), range(12)):
        if (d, m) == (3, 1):
            continue
        value = 0.05 * m + rng.normal(0, 0.1)
        lost = (d, m) == (5, 2) and g < 2
        rows.append((f"d{d:02d}", f"m{m}", f"g{g}", "PCC", "" if lost else value))
        rows.append((f"d{d:02d}", f"m{m}", f"g{g}", "JS", 0.5 - value / 2))
    return write(tmp_path / "published.csv", rows)


def test_a_published_benchmark_is_ranked_and_what_is_missing_is_marked(published):
    board = read_long_table(published)
    ranks = board.ranks().set_index("method")
    assert list(ranks.index[:6]) == ["m7", "m6", "m5", "m4", "m3", "m0"]
    assert ranks.loc[["m1", "m2"], ["AS", "pcc"]].isna().all(axis=None)
    assert ranks.loc["m1", "reason"] == "not run on d03"
    assert ranks.loc["m2", "reason"] == "invalid (1 of 1) on d05"
    assert np.isnan(ranks.loc["m1", "AS_failures_last"])  # nobody knows how it would have done
    assert 0 < ranks.loc["m2", "AS_failures_last"] < ranks.loc["m3", "AS_failures_last"]
    assert board.failures()["reason"].tolist() == ["no pcc of 2 of 12 genes"]
    assert board.primary == ["pcc", "js"]


def test_its_statistics_are_those_of_scipy(published):
    table = pd.read_csv(published).query("metric == 'PCC'")
    board = read_long_table(published)
    tests = paired_tests(board).set_index(["dataset", "method", "other_method"])
    wide = table.query("dataset == 'd07'").pivot(index="gene", columns="method", values="value")
    assert tests.loc[("d07", "m2", "m6"), "p_value"] == pytest.approx(
        stats.wilcoxon(wide["m2"], wide["m6"]).pvalue
    )
    assert len(tests.loc["d07"]) == 28
    assert len(tests.loc["d03"]) == len(tests.loc["d05"]) == 21  # seven methods are complete there

    found = over_datasets(board)
    means = table.pivot_table(index="dataset", columns="method", values="value").drop(columns=["m1", "m2"])
    expected = stats.friedmanchisquare(*means.to_numpy().T)
    assert (found.statistic, found.p_value) == pytest.approx(tuple(expected))
    assert found.n_datasets == 37

    wins = win_table(board).set_index(["method", "other_method"])
    better = [
        (w["m6"] > w["m2"]).mean()
        for d, t in table.groupby("dataset")
        if d != "d05"
        for w in [t.pivot(index="gene", columns="method", values="value")]
    ]
    assert wins.loc[("m6", "m2"), "win_rate"] == pytest.approx(np.mean(better))
    assert wins.loc[("m6", "m2"), ["n_datasets", "n_genes"]].tolist() == [36, 36 * 12]
    assert wins.loc[("m2", "m6"), "win_rate"] == pytest.approx(1 - np.mean(better))


def test_intervals_and_notes(published):
    board = read_long_table(published)
    row = board.bootstrap_means.query("dataset == 'd00' and method == 'm3' and metric == 'pcc'").iloc[0]
    values = pd.read_csv(published).query("dataset == 'd00' and method == 'm3' and metric == 'PCC'")["value"]
    assert (row["mean"], row["median"], row["sd"]) == pytest.approx(
        (values.mean(), values.median(), values.std())
    )
    half = 1.96 * values.std(ddof=0) / np.sqrt(12)
    assert (row["low"], row["high"]) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)

    from stbench.board.tables import notes

    assert any("imported from published.csv" in note for note in notes(board))


def test_every_table_is_written(published, tmp_path):
    from stbench.board.render import render

    paths = render(read_long_table(published), tmp_path, ["csv", "latex", "markdown", "statistics"])
    page = (tmp_path / "leaderboard.md").read_text()
    assert "no pcc of 2 of 12 genes" in page
    assert {path.name for path in paths} >= {"leaderboard.csv", "comparisons.csv", "table1.tex"}


GOOD = ("d", "m", "g", "pcc", 0.5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD, ("d", "m", "g", "pc", 0.5)], "Unknown metric 'pc'. Did you mean 'pcc'"),
        ([GOOD, ("d", "m", "g", "PCC", 0.6)], "has a score twice: dataset d, method m, gene g, metric pcc"),
        ([GOOD, ("d", "", "g", "pcc", 0.5)], "line 3: the method is empty"),
        ([GOOD, ("d", "m", "h", "pcc", "high")], "line 3: the value 'high' is not a finite number"),
        ([GOOD, ("d", "m", "h", "pcc", "inf")], "line 3: the value 'inf' is not a finite number"),
        ([("d", "m", "g", "js", 0.5)], "has no 'pcc'"),
    ],
)
def test_tables_that_cannot_be_ranked(tmp_path, rows, message):
    with pytest.raises(StbenchError, match=message):
        read_long_table(write(tmp_path / "t.csv", rows))


def test_no_such_file_or_column(tmp_path):
    with pytest.raises(StbenchError, match="does not exist"):
        read_long_table(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("dataset,method,metric,value\nd,m,pcc,1\n")
    with pytest.raises(StbenchError, match="no column 'gene'. It takes dataset,method,gene,metric,value"):
        read_long_table(tmp_path / "t.csv")
