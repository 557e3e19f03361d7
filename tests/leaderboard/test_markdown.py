from __future__ import annotations

import re
from dataclasses import replace

import pytest

from stbench.leaderboard import REGISTRY

REDUCED = "cpu, reduced"


@pytest.fixture
def pages(board, tmp_path):
    """Text of the two pages by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in REGISTRY.get("markdown")(board, tmp_path)}


def part(page, start):
    """The lines from the heading ``start`` to the next heading."""
    rest = page[page.index(f"\n{start}") + 1 + len(start) :]
    return rest[: rest.find("\n## ") if "\n## " in rest else None].splitlines()


def test_two_pages(pages):
    assert sorted(pages) == ["leaderboard.md", "table1.md"]


def test_every_row_has_the_cells_of_its_head(pages):
    for page in pages.values():
        for table in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1


def widths(page):
    """The number of columns of every table."""
    heads = re.findall(r"(?:\A|\n\n)(\|.*)\n\| ---", page)
    return [len(re.findall(r"(?<!\\)\|", head)) - 1 for head in heads]


def row_of(lines, start):
    """The cells of a row in all parts of its table, without the first two columns."""
    parts = [line for line in lines if line.startswith(start)]
    return [cell.strip() for line in parts for cell in re.split(r"(?<!\\)\|", line)[3:-1]]


def test_no_table_has_more_than_ten_columns(pages):
    assert max(width for page in pages.values() for width in widths(page)) <= 10


def test_ranks_with_and_without_rmse(pages):
    lines = part(pages["leaderboard.md"], "## Ranks")
    assert (
        f"| odd(a\\_b=50%) | method | {REDUCED} | 1.000 | 1.000 | 1.000 | 0.400 | 0.500 | 2 of 2 |" in lines
    )
    assert "| b | method | paper | – | – | 0.500 | – | – | 1 of 2 |" in lines
    assert "Not ranked: b: timeout (1 of 1) on embryo \\[cells=20,spots=10\\]." in lines
    apart = lines.index("Controls, not ranked:")
    assert lines.index(f"| random | control | {REDUCED} | – | – | – | 0.000 | – | 2 of 2 |") > apart


def test_a_row_names_what_was_tuned_and_what_was_scaled(board, tmp_path):
    chosen = ['{"eps": 0.05, "alpha": 1.0}', None, None, '{"eps": 0.005, "alpha": 1.0}', None, None]
    scaled = [None, '{"max_spots": 2000}', None, None, None, None]
    board = replace(board, runs=board.runs.assign(chosen=chosen, scaled=scaled))
    row = ("odd(a_b=50%)", "method", "cpu")
    assert board.named_values("chosen") == {row: {"alpha": {"1": 2}, "eps": {"0.05": 1, "0.005": 1}}}
    page, _ = REGISTRY.get("markdown")(board, tmp_path)
    lines = part(page.read_text(encoding="utf-8"), "## Ranks")
    assert "Tuned on validation genes: odd(a\\_b=50%) \\[cpu\\]: alpha, eps." in lines
    assert "Scaled to fit in memory: b: max\\_spots." in lines


def test_a_dataset_shows_scores_genes_and_runs(pages):
    lines = part(pages["leaderboard.md"], "## brain\\_1")
    head = "pcc | ssim | rmse | js | AS | 95 % interval of pcc | share of the ceiling | genes | unscored |"
    head += " splits x seeds | status"
    assert row_of(lines, "| method | preset |") == head.split(" | ")
    best = [
        f"**{text}**"
        for text in ("0.400 ± 0.141", "0.200 ± 0.000", "1.100 ± 0.141", "0.200 ± 0.141", "1.000")
    ]
    found = row_of(lines, f"| odd(a\\_b=50%) | {REDUCED} |")
    assert found == [*best, "0.300 to 0.500", "0.500", "2", "1", "1 x 1", "ok"]
    second = [f"<ins>{t}</ins>" for t in ("0.000 ± 0.141", "0.100 ± 0.000", "1.200 ± 0.141", "0.300 ± 0.141")]
    found = row_of(lines, "| b | paper |")
    assert found == [*second, "not ranked", "-0.100 to 0.100", "0.000", "2", "1", "1 x 1", "ok"]
    ceiling = ["0.800 ± 0.000", *"––––", "0.800 to 0.800", "–", "2", "1", "1 x 1", "ok"]
    assert row_of(lines, "| ceiling |  |") == ceiling


def test_failures_are_shown_with_status_and_reason(pages):
    lines = part(pages["leaderboard.md"], "## embryo \\[cells=20,spots=10\\]")
    assert row_of(lines, "| b | paper | ")[:11] == [*"–––––––00", "0 x 0", "timeout (1 of 1)"]
    assert "| b | paper | timeout | 1 | killed \\| after 60 s |" in lines


def test_table1_has_a_block_per_metric_with_controls_apart(pages):
    page = pages["table1.md"]
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    better = [
        "pcc (higher",
        "ssim (higher",
        "rmse (lower",
        "js (lower",
        "AS (higher",
        "AS without rmse (higher",
        "share of the ceiling (higher",
    ]
    assert titles == [*(f"## {title} is better)" for title in better), "## Notes"]
    lines = part(page, "## pcc")
    head = "brain\\_1 | embryo \\[cells=20,spots=10\\] | mean |"
    assert f"| method | preset | {head}" in lines
    assert "| b | paper | <ins>0.000 ± 0.141</ins> | timeout (1 of 1) | – |" in lines
    assert lines.index(f"| control | preset | {head}") < lines.index("| ceiling |  | 0.800 ± 0.000 | – | – |")


def test_notes_close_every_page(pages):
    for page in pages.values():
        notes = part(page, "## Notes")
        assert any("rmse = sqrt(2 - 2 pcc)" in note for note in notes)
        assert any("(here: cells=20,spots=10)" in note for note in notes)
        assert any("spread between genes" in note for note in notes)
        assert any("no score and no substitute" in note for note in notes)


def test_a_wide_board_keeps_its_tables_regular(wide_board, tmp_path):
    pages = {path.name: path.read_text() for path in REGISTRY.get("markdown")(wide_board, tmp_path)}
    test_every_row_has_the_cells_of_its_head(pages)
    assert max(width for page in pages.values() for width in widths(page)) == 10
    heads = row_of(pages["table1.md"].split("\n## ")[1].splitlines(), "| method | preset |")
    assert len(heads) == len(set(heads)) == 38  # no dataset is lost, and the mean
    assert "not run" in pages["table1.md"]
    page = pages["leaderboard.md"]
    assert "Over the 37 datasets the mean ranks in pcc (1 is best) are: method\\_7 \\[cpu\\] 1.00, " in page
    # six methods in one order on every dataset: chi-squared 185 with 5 degrees of freedom
    assert "Friedman's test that all are equal: p = 4.6e-38. " in page
    assert "Paired test over 2 genes (Wilcoxon, Holm over all pairs): the pcc of method\\_7" in page
    assert "out_of_memory (1 of 1)" in pages["table1.md"]
