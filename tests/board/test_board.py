"""The numbers of the leaderboard, against values computed by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import nan, sqrt

import pandas as pd
import pytest

from stbench.board.board import Board
from stbench.board.columns import BOOTSTRAP, RUNS, SCORES, SUMMARY, column_name
from stbench.board.compare import compare_methods
from stbench.board.comparisons import over_datasets, paired_tests, win_table
from stbench.board.scoretable import common_cells
from stbench.board.submitted import uncounted
from stbench.board.tables import metric_block, rank_columns, table1
from stbench.errors import StbenchError
from stbench.metrics import Metric

METRICS = {
    "pcc": Metric("pcc", None, "high", (-1, 1), "1", primary=True, column=1, headline=True),
    "ssim": Metric("ssim", None, "high", (-1, 1), "1", primary=True, column=2),
    "rmse": Metric("rmse", None, "low", (0, 2), "1", primary=True, column=3, redundant="sqrt(2 - 2 pcc)"),
    "js": Metric("js", None, "low", (0, 1), "1", primary=True, column=4),
    "spearman": Metric("spearman", None, "high", (-1, 1), "1", column=5),
}


class Maker:
    """Collects runs and scores; the gene names follow from the split."""

    def __init__(self):
        self.runs, self.scores = [], []

    def run(self, method, *, status="ok", reason="", by_scorer=False, genes=None, **values):
        """One run; the keys of ``values`` are metrics, or fields of the run."""
        fields = {"dataset": "d", "limit": "", "kind": "method", "preset": "cpu", "split": "s0", "seed": 0}
        fields |= {key: values.pop(key) for key in fields if key in values}
        fields |= {"method": method, "family": "f", "rotation": 0, "split_seed": 0}
        if not by_scorer:
            outcome = {"status": status, "reason": reason, "wall_s": 1.0, "peak_rss_bytes": 1}
            self.runs.append(fields | outcome)
        for metric, numbers in values.items():
            names = genes or [f"{fields['split']}_{i}" for i in range(len(numbers))]
            for gene, value in zip(names, numbers, strict=True):
                self.scores.append(fields | {"gene": gene, "metric": metric, "value": value})
        return self

    def all_four(self, method, pcc=0.5, ssim=0.5, rmse=1.0, js=0.5, **fields):
        """One run with one gene."""
        return self.run(method, pcc=[pcc], ssim=[ssim], rmse=[rmse], js=[js], **fields)

    def board(self):
        return Board(
            pd.DataFrame(self.scores, columns=SCORES), pd.DataFrame(self.runs, columns=RUNS), METRICS
        )


@pytest.fixture
def maker():
    return Maker()


def row(board, metric="pcc", **keys):
    table = board.summary()
    for key, value in ({"metric": metric} | keys).items():
        table = table[table[key] == value]
    assert len(table) == 1
    return table.iloc[0]


def rank(board, method):
    table = board.ranks()
    return table[table["method"] == method].iloc[0]


def test_seeds_are_averaged_before_genes_are_pooled_over_rotations(maker):
    maker.run("m", split="s0", seed=0, pcc=[0.1, 0.3]).run("m", split="s0", seed=1, pcc=[0.3, 0.5])
    maker.run("m", split="s1", seed=0, pcc=[0.6]).run("m", split="s1", seed=1, pcc=[0.8])
    found = row(maker.board())
    # genes: 0.2, 0.4, 0.7
    assert found["mean"] == pytest.approx(1.3 / 3)
    assert found["sd"] == pytest.approx(sqrt((0.7**2 + 0.1**2 + 0.8**2) / 9 / 2))
    assert found[["n_genes", "n_genes_unscored", "n_splits", "n_seeds"]].tolist() == [3, 0, 2, 2]
    assert found["status"] == "ok"


def test_a_seed_that_is_missing_in_one_rotation_does_not_change_the_weight_of_its_genes(maker):
    maker.run("m", split="s0", seed=0, pcc=[0.2]).run("m", split="s0", seed=1, pcc=[0.4])
    maker.run("m", split="s1", seed=0, pcc=[0.9]).run("m", split="s1", seed=1, status="timeout")
    found = row(maker.board())
    assert found["mean"] == pytest.approx((0.3 + 0.9) / 2)  # not (0.2 + 0.4 + 0.9) / 3
    assert found["status"] == "timeout (1 of 4)"


def test_a_gene_tested_under_several_split_seeds_counts_once(maker):
    maker.run("m", split="s0", pcc=[0.1, 0.5], genes=["a", "b"]).run("m", split="s1", pcc=[0.3], genes=["a"])
    found = row(maker.board())
    assert found["n_genes"] == 2
    assert found["mean"] == pytest.approx((0.2 + 0.5) / 2)


def test_genes_constant_in_the_truth_are_counted_and_not_averaged(maker):
    found = row(maker.run("m", pcc=[0.2, nan, 0.4]).board())
    assert found["mean"] == pytest.approx(0.3)
    assert found[["n_genes", "n_genes_unscored"]].tolist() == [2, 1]


def test_one_gene_has_no_sd(maker):
    assert pd.isna(row(maker.run("m", pcc=[0.2]).board())["sd"])


def test_limited_runs_and_presets_are_never_mixed(maker):
    maker.run("m", pcc=[0.1]).run("m", pcc=[0.2], limit="cells=9").run("m", pcc=[0.3], preset="paper")
    board = maker.board()
    assert board.columns == [("d", ""), ("d", "cells=9")]
    assert row(board, limit="", preset="cpu")["mean"] == 0.1
    assert row(board, limit="cells=9", preset="cpu")["mean"] == 0.2
    assert row(board, limit="", preset="paper")["mean"] == 0.3
    assert row(board, limit="cells=9", preset="paper")["status"] == "not run"
    assert [column_name(*column) for column in board.columns] == ["d", "d [cells=9]"]


def test_statuses_are_counted_on_the_grid_of_their_column(maker):
    for split, seed in product(["s0", "s1", "s2"], [0]):
        maker.run("good", split=split, seed=seed, pcc=[0.5])
    maker.run("late", split="s0", pcc=[0.5]).run("late", split="s1", pcc=[0.5])
    maker.run("late", split="s2", status="timeout")
    maker.run("some", split="s0", pcc=[0.5]).run("some", split="s1", pcc=[0.5])
    for split, status in zip(["s0", "s1", "s2"], ["timeout", "failed", "failed"], strict=True):
        maker.run("bad", split=split, status=status)
    maker.run("good", dataset="other", pcc=[0.5])
    board = maker.board()
    statuses = board.summary().query("metric == 'pcc'").set_index(["dataset", "method"])["status"]
    assert statuses.to_dict() == {
        ("d", "good"): "ok",
        ("d", "late"): "timeout (1 of 3)",
        ("d", "some"): "partial (2 of 3)",
        ("d", "bad"): "failed (2 of 3)",
        ("other", "good"): "ok",
        ("other", "late"): "not run",
        ("other", "some"): "not run",
        ("other", "bad"): "not run",
    }


def test_failed_methods_have_a_row_per_metric_and_no_numbers(maker):
    maker.all_four("good").run("bad", status="out_of_memory", reason="needed 9 GB")
    table = maker.board().summary().query("method == 'bad'")
    assert list(table["metric"]) == ["pcc", "ssim", "rmse", "js"]
    assert table[["mean", "sd"]].isna().all(axis=None)
    assert (table[["n_genes", "n_genes_unscored", "n_splits", "n_seeds"]] == 0).all(axis=None)
    assert set(table["status"]) == {"out_of_memory (1 of 1)"}


def test_a_board_of_failures_only(maker):
    board = maker.run("m", status="failed", reason="boom").board()
    assert list(board.summary().columns) == SUMMARY
    assert set(board.summary()["status"]) == {"failed (1 of 1)"}
    ranks = board.ranks()
    assert ranks[["AS", "AS_without_rmse", "pcc", "share"]].isna().all(axis=None)
    assert ranks["reason"].tolist() == ["failed (1 of 1) on d"]


def test_an_ok_run_without_scores_of_a_metric_is_said_to_be_unscored(maker):
    maker.all_four("a", split="s0").all_four("a", split="s1")
    maker.all_four("b", split="s0").run("b", split="s1", pcc=[0.1], ssim=[0.1], js=[0.1])
    board = maker.board()
    assert row(board, "pcc", method="b")["status"] == "ok"
    assert row(board, "rmse", method="b")["status"] == "not scored (1 of 2)"
    assert rank(board, "b")["reason"] == "not scored (1 of 2) on d"


def test_a_metric_that_no_method_has_on_a_dataset_makes_no_rows(maker):
    maker.run("m", dataset="a", pcc=[0.1], spearman=[0.2]).run("m", dataset="b", pcc=[0.1])
    found = maker.board().summary().query("metric == 'spearman'")
    assert found["dataset"].tolist() == ["a"]


def test_controls_of_the_scorer_have_only_their_metrics_and_need_every_split(maker):
    maker.all_four("m", split="s0", seed=0).all_four("m", split="s0", seed=1)
    maker.all_four("m", split="s1", seed=0).all_four("m", split="s1", seed=1)
    control = {"by_scorer": True, "kind": "control", "preset": ""}
    maker.run("ceiling", pcc=[0.8], rmse=[0.6], split="s0", **control)
    maker.run("ceiling", pcc=[0.7], rmse=[0.8], split="s1", **control)
    maker.run("perfect", pcc=[1.0], split="s0", **control)
    board = maker.board()
    found = board.summary().query("method == 'ceiling'")
    assert found[["metric", "status", "n_splits", "n_seeds"]].to_numpy().tolist() == [
        ["pcc", "ok", 2, 1],
        ["rmse", "ok", 2, 1],
    ]
    assert row(board, method="perfect")["status"] == "partial (1 of 2)"


def three_methods(maker, dataset="d"):
    """Fractions of rank: pcc 3 2 1, ssim 2.5 2.5 1, rmse 3 2 1, js 1 3 2, all over 3."""
    maker.all_four("a", pcc=0.3, ssim=0.3, rmse=1.1, js=0.3, dataset=dataset)
    maker.all_four("b", pcc=0.2, ssim=0.3, rmse=1.2, js=0.1, dataset=dataset)
    maker.all_four("c", pcc=0.1, ssim=0.1, rmse=1.3, js=0.2, dataset=dataset, kind="baseline")
    return maker


def test_accuracy_score_by_hand(maker):
    ranks = three_methods(maker).board().ranks().set_index("method")
    assert ranks["AS"].to_dict() == pytest.approx({"a": 9.5 / 12, "b": 9.5 / 12, "c": 5 / 12})
    assert ranks["AS_without_rmse"].to_dict() == pytest.approx({"a": 6.5 / 9, "b": 7.5 / 9, "c": 4 / 9})


def test_the_best_of_all_metrics_has_one_and_ties_up_to_rounding_share(maker):
    maker.all_four("a", pcc=0.1 + 0.2).all_four("b", pcc=0.3).all_four("z", 0.0, 0.0, 1.5, 0.9)
    ranks = maker.board().ranks().set_index("method")
    assert ranks["AS"].to_dict() == pytest.approx({"a": 2.5 / 3, "b": 2.5 / 3, "z": 1 / 3})
    alone = Maker().all_four("only").board().ranks()
    assert alone["AS"].tolist() == [1.0]


def test_accuracy_is_averaged_over_datasets(maker):
    three_methods(maker, "d1")
    maker.all_four("a", 0.1, 0.1, 1.3, 0.3, dataset="d2").all_four("b", 0.2, 0.2, 1.2, 0.2, dataset="d2")
    maker.all_four("c", 0.3, 0.3, 1.1, 0.1, dataset="d2", kind="baseline")
    board = maker.board()
    per_dataset = board.accuracy().droplevel(["kind", "preset"])
    assert per_dataset[("d2", "")].to_dict() == pytest.approx({"a": 1 / 3, "b": 2 / 3, "c": 1})
    assert rank(board, "c")["AS"] == pytest.approx((5 / 12 + 1) / 2)
    assert rank(board, "c")["pcc"] == pytest.approx(0.2)


def test_what_is_not_valid_everywhere_leaves_the_rank_on_every_dataset(maker):
    three_methods(maker, "d1")
    maker.all_four("a", dataset="d2", pcc=0.9).run("b", dataset="d2", status="failed", reason="boom")
    maker.all_four("c", dataset="d2", pcc=0.1, kind="baseline")
    board = maker.board()
    per_dataset = board.accuracy().droplevel(["kind", "preset"])
    assert per_dataset[("d1", "")].to_dict() == pytest.approx({"a": (1 + 1 + 1 + 0.5) / 4, "c": 2.5 / 4})
    lost = rank(board, "b")
    assert lost[["AS", "AS_without_rmse", "pcc"]].isna().all()
    assert (lost["n_ok"], lost["n_columns"], lost["reason"]) == (1, 2, "failed (1 of 1) on d2")
    assert board.ranks()["method"].tolist() == ["a", "c", "b"]


def test_the_reason_names_the_first_dataset_and_counts_the_others(maker):
    for dataset in ("d1", "d2", "d3"):
        maker.all_four("a", dataset=dataset).run("b", dataset=dataset, status="unsupported", limit="")
    assert rank(maker.board(), "b")["reason"] == "unsupported (1 of 1) on d1, and 2 more"


def test_controls_are_never_ranked(maker):
    three_methods(maker).all_four("random", 0.9, 0.9, 0.1, 0.0, kind="control")
    board = maker.board()
    assert rank(board, "a")["AS"] == pytest.approx(9.5 / 12)
    control = board.ranks().iloc[-1]
    assert (control["method"], control["reason"], control["pcc"]) == ("random", "control", 0.9)
    assert pd.isna(control["AS"])


def ceiling(maker, values, **fields):
    return maker.run("ceiling", pcc=values, by_scorer=True, kind="control", preset="", **fields)


def test_share_of_the_ceiling_is_over_the_same_genes(maker):
    maker.run("m", pcc=[0.4, nan, 0.2])
    board = ceiling(maker, [0.8, 0.9, 0.4]).board()
    assert board.share_of("ceiling").to_dict() == pytest.approx({("d", "", "m", "method", "cpu"): 0.5})
    assert rank(board, "m")["share"] == pytest.approx(0.5)


def test_share_is_hidden_without_a_ceiling_or_below_a_tenth_of_it(maker):
    for dataset in ("dark", "low", "lit"):
        maker.run("m", dataset=dataset, pcc=[0.3])
    ceiling(maker, [0.0999], dataset="low")
    board = ceiling(maker, [0.6], dataset="lit").board()
    assert board.share_of("ceiling").to_dict() == pytest.approx({("lit", "", "m", "method", "cpu"): 0.5})
    assert rank(board, "m")["share"] == pytest.approx(0.5)


def test_the_share_of_the_oracle_is_apart(maker):
    maker.run("m", pcc=[0.3]).run("oracle", pcc=[0.4], by_scorer=True, kind="control", preset="")
    board = ceiling(maker, [0.6]).board()
    assert rank_columns(board)["share_of_oracle"] == "share of the oracle"
    assert (rank(board, "m")["share"], rank(board, "m")["share_of_oracle"]) == pytest.approx((0.5, 0.75))
    assert [block.name for block in table1(board)][-2:] == ["share of the ceiling", "share of the oracle"]


def test_failures_keep_their_reasons_and_counts(maker):
    maker.all_four("a", seed=0).all_four("a", seed=1)
    maker.run("b", seed=0, status="failed", reason="boom").run("b", seed=1, status="failed", reason="boom")
    maker.run("c", seed=0, status="skipped", reason=None).run("c", seed=1, status="timeout", reason="60 s")
    found = maker.board().failures()[["method", "status", "reason", "n_runs"]]
    assert found.to_numpy().tolist() == [
        ["b", "failed", "boom", 2],
        ["c", "skipped", "", 1],
        ["c", "timeout", "60 s", 1],
    ]


def test_wrong_tables_are_refused(maker):
    maker.all_four("a")
    board = maker.board()
    with pytest.raises(StbenchError, match="no runs"):
        Board(board.scores, board.runs.iloc[:0], METRICS)
    with pytest.raises(StbenchError, match="no column 'kind'"):
        Board(board.scores, board.runs.drop(columns="kind"), METRICS)
    with pytest.raises(StbenchError, match="without 'limit'"):
        Board(board.scores.assign(limit=None), board.runs, METRICS)
    with pytest.raises(StbenchError, match="runs hold the same entry twice: dataset d, method a"):
        Board(board.scores, pd.concat([board.runs, board.runs]), METRICS)
    with pytest.raises(StbenchError, match="'odd', which is not defined"):
        Board(board.scores.assign(metric="odd", gene=list("abcd")), board.runs, METRICS)
    with pytest.raises(StbenchError, match="Unknown status 'lost'"):
        Board(board.scores, board.runs.assign(status="lost"), METRICS)


def test_a_large_board_with_holes():
    maker = Maker()
    for d, m in product(range(37), range(8)):
        fields = {"dataset": f"d{d:02d}", "limit": "cells=2000" if d % 2 else ""}
        if (d, m) == (3, 1):
            continue
        if (d, m) == (5, 2):
            maker.run(f"m{m}", status="timeout", reason="600 s", **fields)
            continue
        maker.run(f"m{m}", **{name: [(m + g) / 100 for g in range(5)] for name in METRICS}, **fields)
    board = maker.board()
    assert len(board.summary()) == 37 * 8 * 5
    ranks = board.ranks()
    assert ranks["method"].iloc[-2:].tolist() == ["m1", "m2"]
    assert ranks["reason"].iloc[-2:].tolist() == [
        "not run on d03 [cells=2000]",
        "timeout (1 of 1) on d05 [cells=2000]",
    ]
    # two metrics rank m7 best of six and two rank it worst; without rmse two of three rank it best
    last = rank(board, "m7")
    assert last["AS"] == pytest.approx((1 + 1 + 1 / 6 + 1 / 6) / 4)
    assert last["AS_without_rmse"] == pytest.approx((1 + 1 + 1 / 6) / 3)


def test_failures_last_ranks_what_was_tried_everywhere(maker):
    three_methods(maker, "d1")
    three_methods(maker, "d2")
    maker.all_four("late", 0.9, 0.9, 0.1, 0.0, dataset="d1").run("late", dataset="d2", status="timeout")
    maker.all_four("absent", 0.9, 0.9, 0.1, 0.0, dataset="d1")
    maker.all_four("random", 0.9, 0.9, 0.1, 0.0, dataset="d1", kind="control")
    ranks = maker.board().ranks().set_index("method")
    assert ranks.loc[["late", "absent"], "AS"].isna().all()
    last = ranks["AS_failures_last"]
    assert last[["absent", "random"]].isna().all()
    assert last["late"] == pytest.approx((1 + 1 / 4) / 2)  # best of four, then last of four
    # a: on d1 ranks 3 2.5 3 1, on d2 one more each, of four
    assert last["a"] == pytest.approx((9.5 / 16 + 13.5 / 16) / 2)


def test_failures_share_the_last_ranks(maker):
    three_methods(maker)
    for method in ("x", "y"):
        maker.run(method, status="failed")
    ranks = maker.board().ranks().set_index("method")["AS_failures_last"]
    assert ranks[["x", "y"]].tolist() == [pytest.approx(1.5 / 5)] * 2
    assert ranks["a"] == pytest.approx((5 + 4.5 + 5 + 3) / 4 / 5)


def test_a_partly_failed_row_counts_as_failed_only_when_every_cell_was_run(maker):
    for split in ("s0", "s1"):
        maker.all_four("a", split=split).all_four("b", 0.4, 0.4, 1.1, 0.6, split=split)
    maker.all_four("tried", 0.9, 0.9, 0.1, 0.0, split="s0").run("tried", split="s1", status="failed")
    maker.run("given_up", split="s0", status="failed")
    ranks = maker.board().ranks().set_index("method")["AS_failures_last"]
    assert ranks["tried"] == pytest.approx(1 / 3)  # its good half does not count
    assert pd.isna(ranks["given_up"])


def test_summary_has_the_share_on_the_rows_of_pcc(maker):
    maker.all_four("m", pcc=0.4)
    maker.run("ceiling", pcc=[0.8], by_scorer=True, kind="control", preset="")
    shares = maker.board().summary().dropna(subset="share")
    assert shares[["method", "metric", "share"]].to_numpy().tolist() == [["m", "pcc", 0.5]]


def test_intervals_have_the_numbers_of_the_summary_and_hold_the_mean(maker):
    maker.run("m", pcc=[0.1, 0.2, 0.9]).run("n", pcc=[0.3]).run("bad", status="failed")
    board = maker.board()
    table = board.bootstrap_means
    assert list(table.columns) == BOOTSTRAP
    shared = [name for name in BOOTSTRAP if name in SUMMARY]
    pd.testing.assert_frame_equal(table[shared], board.summary()[shared])
    table = table[table["metric"] == "pcc"].set_index("method")
    assert table.loc["m", "median"] == 0.2
    assert table.loc["m", "low"] < 0.4 < table.loc["m", "high"]
    assert table.loc["n", "median"] == 0.3
    assert table.loc["n", ["low", "high"]].isna().all()  # one gene
    assert table.loc["bad", ["median", "low", "high"]].isna().all()


def test_rotations_count_in_the_interval(maker):
    genes = [f"g{i}" for i in range(40)]
    for split, value in (("s0", 0.1), ("s1", 0.5)):
        part = genes[:20] if split == "s0" else genes[20:]
        maker.run("m", split=split, pcc=[value] * 20, genes=part)
    found = maker.board().bootstrap_means.query("metric == 'pcc'").iloc[0]
    assert (found["low"], found["high"]) == pytest.approx((0.1, 0.5))  # both draws may hit one rotation
    assert found["n_splits"] == 2


def test_only_what_is_ok_there_is_compared(maker):
    maker.run("a", pcc=[0.5, 0.6, nan]).run("b", pcc=[0.1, 0.7, nan]).run("c", status="failed")
    maker.run("random", pcc=[0.0, 0.0, nan], kind="control")
    board = maker.board()
    genes = board.gene_table("d", "", "pcc")
    assert genes.columns.tolist() == [("a", "method", "cpu"), ("b", "method", "cpu")]
    assert genes.to_numpy().tolist() == [[0.5, 0.1], [0.6, 0.7]]
    tests = paired_tests(board)
    assert tests[["method", "other_method", "n_genes"]].to_numpy().tolist() == [["a", "b", 2]]
    assert tests["mean_difference"].item() == pytest.approx(0.15)
    wins = win_table(board)
    assert wins[["method", "other_method", "win_rate"]].to_numpy().tolist() == [
        ["a", "b", 0.5],
        ["b", "a", 0.5],
    ]


def test_win_rates_weigh_datasets_alike(maker):
    maker.run("a", dataset="d1", pcc=[1, 1, 1, 1]).run("b", dataset="d1", pcc=[0, 0, 0, 0])
    maker.run("a", dataset="d2", pcc=[0, 0]).run("b", dataset="d2", pcc=[1, 0])
    maker.run("a", dataset="d3", pcc=[0]).run("b", dataset="d3", status="failed")
    found = win_table(maker.board()).set_index("method")
    assert found.loc["a", "win_rate"] == pytest.approx((1 + 0.25) / 2)
    assert found.loc["b", "win_rate"] == pytest.approx((0 + 0.75) / 2)
    assert found.loc["a", ["n_datasets", "n_genes"]].tolist() == [2, 6]


def test_only_ranked_rows_are_tested_over_datasets(maker):
    for dataset in ("d1", "d2"):
        three_methods(maker, dataset)
    maker.all_four("late", dataset="d1").run("late", dataset="d2", status="timeout")
    found = over_datasets(maker.board())
    assert {row[0]: rank for row, rank in found.mean_ranks.items()} == {"a": 1, "b": 2, "c": 3}
    assert found.n_datasets == 2
    assert over_datasets(maker.board(), "js").mean_ranks.tolist() == [3, 1, 2]  # low is best


def test_methods_without_intervals_have_no_row_of_coverage(maker):
    metrics = METRICS | {"coverage": Metric("coverage", None, "level", (0, 1), "1", needs_intervals=True)}
    maker.all_four("with").all_four("without").run("bad", status="failed")
    scores = pd.DataFrame(maker.scores, columns=SCORES)
    own = scores.query("method == 'with' and metric == 'pcc'").assign(metric="coverage", value=0.9)
    board = Board(pd.concat([scores, own]), pd.DataFrame(maker.runs, columns=RUNS), metrics)
    assert board.summary().query("metric == 'coverage'")["method"].tolist() == ["with"]
    assert set(board.ranks().query("reason == ''")["method"]) == {"with", "without"}
    with pytest.raises(StbenchError, match="'coverage' is best at the nominal level"):
        win_table(board, "coverage")


def test_exactly_one_metric_is_the_headline(maker):
    board = maker.all_four("m").board()
    assert (board.headline, board.redundant) == ("pcc", ["rmse"])
    for headline in ([], ["pcc", "ssim"]):
        metrics = {name: replace(metric, headline=name in headline) for name, metric in METRICS.items()}
        with pytest.raises(StbenchError, match=rf"Exactly one metric .*not {len(headline)}"):
            Board(board.scores, board.runs, metrics).ranks()


def test_the_declarations_name_the_columns(maker):
    metrics = {
        name: replace(metric, headline=name == "ssim", redundant="") for name, metric in METRICS.items()
    }
    metrics["js"] = replace(metrics["js"], redundant="f(ssim)")
    board = maker.all_four("m", ssim=0.3).board()
    ranks = Board(board.scores, board.runs, metrics).ranks()
    assert "AS_without_js" in ranks
    assert not {"AS_without_rmse", "pcc"} & set(ranks)
    assert rank_columns(Board(board.scores, board.runs, metrics)) == {
        "AS": "AS", "AS_without_js": "AS without js", "AS_failures_last": "AS, failures last",
        "ssim": "mean ssim",
    }  # fmt: skip
    assert ranks["ssim"].tolist() == [0.3]


def elsewhere(maker, name="theirs", **fields):
    return maker.all_four(name, pcc=0.9, ssim=0.9, rmse=0.1, js=0.1, **SUBMITTED_ROW | fields)


SUBMITTED_ROW = {"kind": "submitted", "preset": "run elsewhere"}


def test_a_row_run_elsewhere_changes_no_rank_and_no_test_unless_asked(maker):
    maker.all_four("a", pcc=0.5).all_four("b", pcc=0.4)
    alone = maker.board()
    with_it = elsewhere(maker).board()
    measured = with_it.ranks().query("method != 'theirs'")
    pd.testing.assert_frame_equal(alone.ranks(), measured.reset_index(drop=True))
    theirs = rank(with_it, "theirs")
    assert pd.isna(theirs["AS"])
    assert theirs["pcc"] == 0.9
    assert theirs["reason"] == "run elsewhere: time, memory and whether the truth was seen are unknown"
    assert with_it.names["theirs", "submitted", "run elsewhere"] == "theirs [run elsewhere]"
    for table in (paired_tests, win_table):
        pd.testing.assert_frame_equal(table(alone), table(with_it))
    pcc = metric_block(with_it, "pcc")
    assert [line.method for line in pcc.methods] == ["a", "b"]
    assert [line.method for line in pcc.submitted] == ["theirs"]
    assert pcc.submitted[0].cells[0].mark == ""
    assert pcc.methods[0].cells[0].mark == "best"

    asked = replace(with_it, include_submitted=True)
    assert rank(asked, "theirs")["AS"] == 1
    assert metric_block(asked, "pcc").submitted[0].cells[0].mark == "best"
    assert len(win_table(asked)) == 6


def test_a_row_run_elsewhere_that_is_partial_says_both(maker):
    maker.all_four("a").all_four("a", split="s1")
    reason = rank(elsewhere(maker).board(), "theirs")["reason"]
    assert reason.endswith("are unknown; partial (1 of 2) on d")


def test_splits_that_were_only_run_elsewhere_do_not_count(maker, caplog):
    elsewhere(maker.all_four("a")).all_four("theirs", **SUBMITTED_ROW, split="s1")
    maker.all_four("theirs", **SUBMITTED_ROW, dataset="other")
    runs = pd.DataFrame(maker.runs)
    left_out = uncounted(runs, include_submitted=False)
    assert sorted(left_out) == [("d", "", "s1"), ("other", "", "s0")]
    assert "2 runs elsewhere left out" in caplog.text
    assert len(uncounted(runs, include_submitted=True)) == 0
    assert len(uncounted(runs[runs["kind"] == "submitted"], include_submitted=False)) == 0


def test_common_cells_are_those_of_the_measured_rows(maker):
    maker.all_four("a").all_four("b").all_four("b", split="s1")
    board = common_cells(elsewhere(maker, split="s1").board())
    assert set(board.runs["split"]) == {"s0"}
    assert set(board.runs["method"]) == {"a", "b"}


def test_a_row_run_elsewhere_is_compared_only_when_asked(maker):
    for method in ("a", "b"):
        maker.run(method, pcc=[0.1, 0.2, 0.3])
    maker.run("theirs", pcc=[0.2, 0.3, 0.4], **SUBMITTED_ROW)
    rows = ("a", "method", "cpu"), ("theirs", "submitted", "run elsewhere")
    with pytest.raises(StbenchError, match="'theirs' was run elsewhere: add --include-submitted"):
        compare_methods(maker.board(), *rows)
    table = compare_methods(replace(maker.board(), include_submitted=True), *rows)
    assert table["difference"].iloc[0] == pytest.approx(-0.1)
