"""The statistics over all datasets, and the board in words."""

import numpy as np
import pandas as pd
import pytest
from levels import board_of, row

from stbench.board.comparisons import differences, overall
from stbench.board.words import in_words


def test_groups_by_intervals_of_differences():
    board = board_of({"a": 0.5, "b": 0.5, "c": 0.3, "d": 0.3, "e": 0.0})
    table = overall(board)
    assert dict(zip(table.index.get_level_values(0), table["group"], strict=True)) == {
        "a": 1, "b": 1, "c": 2, "d": 2, "e": 3
    }  # fmt: skip
    assert (table["low"] < table["mean"]).all()
    assert (table["mean"] < table["high"]).all()
    wide = board.gene_scores.groupby(["method", "dataset"])["value"].mean().groupby("method").mean()
    np.testing.assert_allclose(table["mean"].droplevel([1, 2]).sort_index(), wide.sort_index())


def test_a_difference_is_surer_than_its_parts():
    """Genes that are hard for all do not blur a difference: the same resamples for both rows."""
    board = board_of({"a": 0.5, "b": 0.45})
    gap = differences(board, row("a")).loc[row("b")]
    means = overall(board)
    assert gap["low"] > 0
    assert means.loc[row("b"), "high"] > means.loc[row("a"), "low"]


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(1)
    from stbench.board.statistics import quantiles, resampled_means

    hits = 0
    for _ in range(200):
        values = pd.DataFrame({"x": rng.normal(0, 1, 60)})
        means = resampled_means(values, np.repeat(0, 60), n_resamples=300, rng=rng)
        low, high = quantiles(means)[0]
        hits += low <= 0 <= high
    assert 0.88 < hits / 200 <= 1


def test_the_words_are_the_statistics():
    board = board_of({"a": 0.5, "b": 0.3, "c": 0.1}, moran={"a": 0.9, "b": 0.2, "c": 0.1})
    words = in_words(board)
    means, gap = overall(board), differences(board, row("a")).loc[row("b")]
    assert words[0] == (
        f"a leads with AS 1.000: its mean pcc over 3 datasets is {means.loc[row('a'), 'mean']:.3f}, "
        f"{gap['mean']:.3f} more than that of b [{gap['low']:+.3f}, {gap['high']:+.3f}]."
    )
    assert words[1] == "Its interval of the difference to every other method lies on one side of zero."
    assert words[-1] == "It is worst in moran_difference: place 3 of 3."


def test_the_words_name_what_is_not_separated():
    words = in_words(board_of({"a": 0.5, "b": 0.5, "c": 0.1}))
    assert words[1] in ("It is not separated from a.", "It is not separated from b.")
    assert "Within one dataset the paired tests separate less: on 3 of 3, one other is not" in " ".join(words)


@pytest.mark.parametrize("levels", [{"a": 0.5}, {}])
def test_no_words_without_two_ranked_rows(levels):
    if levels:
        assert in_words(board_of(levels)) == []
    else:
        with pytest.raises(Exception, match="no runs"):
            board_of(levels)
