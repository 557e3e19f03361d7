"""`stbench choose` and `stbench predict`: what they state, on made-up scores and on a planted tissue."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anndata
import command
import numpy as np
import pandas as pd
import pytest

import stbench
from stbench.applied.accuracy import Accuracy, accuracy
from stbench.applied.choosing import Estimate, conclude, shortlist, similarity
from stbench.applied.crossval import CrossValidation, inner_split
from stbench.applied.imputation import unmeasured
from stbench.config.variants import select_methods, variants
from stbench.data.prepare import prepare
from stbench.data.split import make_splits
from stbench.datasets import Card
from stbench.errors import StbenchError
from stbench.runs.events import Reporter
from stbench.runs.results import Results
from stbench.runs.spec import plan
from stbench.testing.planted import planted_pair

KINDS = {"good": "method", "poor": "method", "base": "baseline", "mean": "control"}


class Spec:
    """As much of a run as `conclude` reads."""

    def __init__(self, split):
        self.split = split


def validation(pair, outer, inner=None):
    """A cross-validation in which ``outer(method, gene index)`` was the PCC of a gene."""
    splits = make_splits(pair.genes, 10)
    tables = {"outer": [], "inner": []}
    for name, score in (("outer", outer), ("inner", inner or outer)):
        for split in splits:
            genes = split.test if name == "outer" else split.val
            for method, kind in KINDS.items():
                values = [score(method, pair.genes.index(gene)) for gene in genes]
                table = pd.DataFrame({"gene": genes, "pcc": values})
                tables[name].append(table.assign(method=method, kind=kind, rotation=split.rotation))
    made = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    return CrossValidation(pair, None, [Spec(split) for split in splits], **made, failures={})


@pytest.fixture(scope="module")
def pair():
    return prepare(*planted_pair(), Card("planted", min_genes=1))


def test_the_inner_split_knows_nothing_of_the_test_genes(pair):
    for split in make_splits(pair.genes, 10):
        inner = inner_split(split)
        assert set(inner.test) == set(split.val)
        assert set(inner.train) | set(inner.val) == set(split.train)
        assert not set(inner.train) & set(inner.val)
        assert not set(split.test) & {*inner.train, *inner.val, *inner.test}


def test_the_best_method_and_its_expected_score(pair):
    level = {"good": 0.5, "poor": 0.1, "base": 0.3, "mean": 0.0}
    choice = conclude(validation(pair, lambda method, gene: level[method] + gene / 100))
    assert choice.best == "good"
    assert choice.expected.mean == pytest.approx(0.5 + np.mean(range(24)) / 100)
    assert choice.expected.low < choice.expected.mean < choice.expected.high
    assert choice.beats_baselines is True
    assert list(choice.methods.index) == ["good", "base", "poor", "mean"]
    assert choice.verdict.startswith("Use good: expected mean PCC 0.615")
    assert list(choice.groups["best"]) == ["good"] * 3
    assert choice.groups["n_genes"].sum() == 24


def test_a_winner_by_luck_does_not_raise_what_is_expected(pair):
    """Where the inner genes prefer another method, its score is what the choice is worth."""
    outer = {"good": 0.5, "poor": 0.2, "base": 0.3, "mean": 0.0}
    inner = {"good": 0.1, "poor": 0.4, "base": 0.3, "mean": 0.9}  # a control is never chosen
    choice = conclude(validation(pair, lambda m, gene: outer[m], lambda m, gene: inner[m]))
    assert choice.expected.mean == pytest.approx(0.2)
    assert set(choice.chosen.values()) == {"poor"}
    assert choice.methods.loc["good", "pcc"] == pytest.approx(0.5)


def test_the_accuracy_of_a_gene_is_stated_without_it_and_compared_with_what_is_found():
    wide = prepare(*planted_pair(n_genes=100), Card("planted", min_genes=1))
    near = similarity(wide, wide.genes, wide.genes).to_numpy()
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.03, 100)

    def like_the_nearest(method, gene):
        return near[gene] * (method == "good") + noise[gene]

    choice = conclude(validation(wide, like_the_nearest))
    found = choice.genes["found"]
    assert list(found) == list(choice.genes["good"])
    stated = choice.genes["expected_pcc"]
    assert choice.reliability.n_genes == 100
    assert choice.reliability.rank == pytest.approx(stated.corr(found, method="spearman"))
    assert choice.reliability.rank > 0.6
    assert choice.reliability.too_high == pytest.approx((stated - found).mean())
    inside = (choice.genes["expected_pcc_low"] <= found) & (found <= choice.genes["expected_pcc_high"])
    assert choice.reliability.inside == pytest.approx(inside.mean())
    assert inside.mean() > 0.6  # of 20 known genes per rotation
    # what is stated for the genes of a rotation does not depend on their own scores
    hidden = {wide.genes.index(gene) for gene in make_splits(wide.genes, 10)[3].test}
    outer = lambda m, gene: -1 if gene in hidden else like_the_nearest(m, gene)  # noqa: E731
    again = conclude(validation(wide, outer, like_the_nearest))
    pd.testing.assert_series_equal(again.genes["expected_pcc"], stated)
    assert again.reliability.rank < choice.reliability.rank


def test_with_few_known_genes_no_accuracy_is_stated(pair):
    small = prepare(*planted_pair(n_genes=12), Card("planted", min_genes=1))
    choice = conclude(validation(small, lambda method, gene: gene / 12))
    assert choice.genes["expected_pcc"].isna().all()
    assert choice.reliability.n_genes == 0
    assert "too few measured genes" in str(choice.reliability)


def test_says_when_none_beats_the_baselines(pair):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.2, (2, 24))
    level = {"good": (0.31, 0), "base": (0.3, 1)}

    def close(method, gene):
        mean, row = level.get(method, (0.0, None))
        return mean + (0 if row is None else noise[row, gene] - noise[row].mean())

    choice = conclude(validation(pair, close))
    assert choice.best == "good"
    assert choice.beats_baselines is False
    assert "does not clearly beat the baseline base" in choice.verdict


def test_says_when_a_baseline_is_best_and_when_nothing_is_good(pair):
    level = {"good": 0.2, "poor": 0.1, "base": 0.3, "mean": 0.0}
    choice = conclude(validation(pair, lambda m, gene: level[m]))
    assert choice.verdict.endswith("It is a baseline, and it was compared with good, poor.")
    nothing = conclude(validation(pair, lambda m, gene: (-1) ** gene * 0.3))
    assert nothing.verdict.startswith("Trust none")


@pytest.mark.parametrize(
    ("compared", "end"),
    [
        (["base", "mean"], "Only baselines were compared: base."),
        (["good", "poor"], "No baseline was compared: good, poor."),
        (["good", "base"], "It beats the best baseline, base."),
    ],
)
def test_says_what_was_compared(pair, compared, end):
    level = {"good": 0.5, "poor": 0.1, "base": 0.3, "mean": 0.0}
    made = validation(pair, lambda method, gene: level[method] + gene / 100)
    inner, outer = (table[table["method"].isin(compared)] for table in (made.inner, made.outer))
    assert conclude(replace(made, inner=inner, outer=outer)).verdict.endswith(end)


def test_similarity_is_the_correlation_with_the_nearest_other_gene(pair):
    genes = pair.genes[:5]
    X = pair.reference[:, genes].X.toarray()
    correlation = np.corrcoef(X.T)
    np.fill_diagonal(correlation, -1)
    np.testing.assert_allclose(similarity(pair, genes, genes), correlation.max(axis=0), atol=1e-5)


def test_expected_accuracy_rises_with_similarity_and_covers(pair):
    rng = np.random.default_rng(1)
    similarities = rng.uniform(0, 1, 400)
    pcc = 0.6 * similarities + rng.normal(0, 0.1, 400)
    scores = pd.DataFrame({"similarity": similarities, "pcc": pcc})
    known = Accuracy(np.zeros(1), np.zeros(1), scores, Estimate(0.3, 0.2, 0.4))
    new = pd.Series(np.linspace(0.05, 0.95, 400))
    expected = known.expected(new)
    assert (np.diff(expected["expected_pcc"]) >= 0).all()
    np.testing.assert_allclose(expected["expected_pcc"], 0.6 * new, atol=0.1)
    truth = 0.6 * new + rng.normal(0, 0.1, 400)
    inside = (truth >= expected["expected_pcc_low"]) & (truth <= expected["expected_pcc_high"])
    assert 0.85 <= inside.mean() <= 0.95


def test_genes_less_similar_than_any_measured_one_are_expected_to_be_worse():
    similarities = np.linspace(0.4, 0.9, 50)
    scores = pd.DataFrame({"similarity": similarities, "pcc": similarities})
    known = Accuracy(np.zeros(1), np.zeros(1), scores, Estimate(0.6, 0.5, 0.7))
    expected = known.expected(pd.Series([0.0, 0.1, 0.2, 0.4, 0.65]))
    np.testing.assert_allclose(expected["expected_pcc"], [0, 0.1, 0.2, 0.4, 0.65], atol=0.01)


def test_genes_to_predict(pair):
    assert unmeasured(pair) == [f"Gene{i}" for i in range(24, 30)]
    assert unmeasured(pair, ["Gene29", "Gene24", "Gene29"]) == ["Gene29", "Gene24"]
    with pytest.raises(StbenchError, match="'Gene03' is measured"):
        unmeasured(pair, ["Gene03"])
    with pytest.raises(StbenchError, match="'Nope' is not in the reference"):
        unmeasured(pair, ["Nope"])


def test_the_shortlist_holds_baselines_and_nothing_that_trains():
    names = {cls.info.name for cls in shortlist()}
    assert names >= {"kernel", "ridge_genes", "spage", "mean", "novosparc", "spaotsc"}
    assert not names & {"scvi", "tangram", "causalged", "moscot"}


@pytest.fixture(scope="module")
def tables():
    """A pair as a scanpy user has it: normalised X, counts in a layer, keys of its own."""
    reference, spatial = planted_pair(n_cells=80, n_spots=60)
    for table in (reference, spatial):
        table.layers["raw"] = table.X.copy()
        table.X = table.X.log1p()
    spatial.obsm["xy"] = spatial.obsm.pop("spatial")
    reference.obs = reference.obs.rename(columns={"cell_type": "leiden"})
    return spatial, reference


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda sp, sc: None, {"genes": []}, r"^genes is empty\. Give names of genes, or all\.$"),
        (lambda sp, sc: None, {"genes": ["Gene01"]}, r"^Gene 'Gene01' .* Leave it out of genes\.$"),
        (lambda sp, sc: None, {"threads": 0}, r"^threads does not take '0'"),
        (lambda sp, sc: setattr(sc, "X", None), {"layer": None}, r"^adata_sc has no X\. Give layer=.*raw\.$"),
        (lambda sp, sc: None, {"layer": "counts"}, r"^adata_sc: Unknown layer 'counts'"),
        (lambda sp, sc: None, {"spatial_key": "spatial"}, r"^Unknown key of adata_sp.obsm 'spatial'"),
    ],
)
def test_errors_in_python_name_parameters_and_come_first(tables, change, options, message):
    tables = [table.copy() for table in tables]
    change(*tables)
    keys = {"layer": "raw", "spatial_key": "xy", "cell_type_key": "leiden", "out": None}
    with pytest.raises(StbenchError, match=message):
        stbench.predict(*tables, **keys | {"method": "mean"} | options)


def test_tables_that_are_backed_by_a_file(tables, tmp_path):
    for table, name in zip(tables, ("sp", "sc"), strict=True):
        table.write_h5ad(tmp_path / f"{name}.h5ad")
    backed = [anndata.read_h5ad(tmp_path / f"{name}.h5ad", backed="r") for name in ("sp", "sc")]
    keys = {"layer": "raw", "spatial_key": "xy", "cell_type_key": "leiden"}
    options = {"method": "mean", "splits": 2, "out": None}
    answer, expected = (stbench.predict(*some, **keys, **options) for some in (backed, tables))
    np.testing.assert_array_equal(answer.X, expected.X)


def test_names_are_matched_on_request(tables):
    spatial, reference = (table.copy() for table in tables)
    reference.var_names = reference.var_names.str.upper()
    keys = {"layer": "raw", "spatial_key": "xy", "cell_type_key": "leiden"}
    options = {"methods": ["mean", "ridge_genes"], "splits": 2, "out": None}
    with pytest.raises(StbenchError, match="24 differ by upper and lower case"):
        stbench.choose(spatial, reference, **keys, **options)
    choice = stbench.choose(spatial, reference, **keys, **options, match_genes=True)
    assert len(choice.validation.pair.genes) == 24


def test_choose_on_anndata_and_predict_by_the_best(tables, tmp_path):
    keys = {"layer": "raw", "spatial_key": "xy", "cell_type_key": "leiden"}
    before = tables[0].X.copy()
    stages = Stages()
    options = {"methods": ["ridge_genes", "mean"], "splits": 2}
    choice = stbench.choose(*tables, out=tmp_path, reporter=stages, **options, **keys)
    assert stages.known == [True] * 4  # the second stage has learned from the first
    assert choice.best == "ridge_genes"
    assert choice.methods.loc["mean", "pcc"] == 0
    assert choice.methods.loc["ridge_genes", "n_genes"] == 6  # two folds of 24 genes
    assert choice.validation.pair.card.units == "counts"
    assert "cell_type" in choice.validation.pair.reference.obs
    assert (before != tables[0].X).nnz == 0
    options = {"methods": ["ridge_genes", "mean"], "splits": 2, "work": tmp_path}
    about = stbench.predict(*tables, genes=["Gene24"], out=tmp_path / "imputed.h5ad", **options, **keys).uns[
        "stbench"
    ]
    assert about["method"] == choice.best
    assert about["mean_pcc"] == pytest.approx(choice.expected.mean)
    assert list(about["mean_pcc_of"]) == ["ridge_genes"] * 2


def test_accuracy_is_that_of_the_method_chosen_in_each_rotation(pair, tmp_path):
    names, values = ["ridge", "ridge_genes"], {"ridge": 1.0, "ridge_genes": 2.0}
    options = {"preset": None, "device": "cpu", "memory": None, "n_splits": 2, "split_seed": 0, "n_seeds": 1}
    specs = plan(pair, variants(select_methods(names), {}), **options)
    results, tables = Results(tmp_path), []
    for spec in specs:
        genes, value = list(spec.split.test), values[spec.label]
        answer = anndata.AnnData(np.full((pair.spatial.n_obs, len(genes)), value), obs=pair.spatial.obs[[]])
        answer.var_names = genes
        results.run_folder(spec.key).mkdir(parents=True)
        answer.write_h5ad(results.run_folder(spec.key) / "prediction.h5ad")
        row = {"method": spec.label, "rotation": spec.split.rotation, "pcc": value / 10 + spec.split.rotation}
        tables.append(pd.DataFrame({"gene": genes} | row))
    validated = CrossValidation(pair, results, specs, pd.concat(tables), pd.DataFrame(), {})
    known = accuracy(validated, {0: "ridge", 1: "ridge_genes"})
    n_genes = [len(specs[i].split.test) for i in (0, 2)]
    assert known.overall.mean == pytest.approx(np.average([0.1, 1.2], weights=n_genes))
    np.testing.assert_array_equal(known.predicted, np.repeat([1, 2], np.array(n_genes) * pair.spatial.n_obs))
    truth = pair.spatial[:, list(specs[0].split.test)].X.toarray().ravel()
    np.testing.assert_allclose(known.errors[: len(truth)], truth - 1, rtol=1e-6)


class Stages(Reporter):
    """Keeps the stages of the work and the steps of those without runs."""

    def __init__(self):
        self.seen = []

    def stages(self, names):
        self.seen.append(list(names))

    def stage(self, name):
        self.seen.append(name)

    def advanced(self, done, total, what):
        self.seen.append((done, total, what))

    def planned(self, specs, times):
        self.known = [times.of(spec.likeness) is not None for spec in specs]


def test_predict_in_blocks_is_predict_in_one(tables, tmp_path, monkeypatch):
    options = {"layer": "raw", "spatial_key": "xy", "method": "ridge_genes", "splits": 2, "work": tmp_path}
    whole = stbench.predict(*tables, **options, out=tmp_path / "whole.h5ad")
    monkeypatch.setattr("stbench.applied.imputation.BLOCK_VALUES", 4 * tables[0].n_obs)
    stages = Stages()
    answer = stbench.predict(*tables, **options, out=tmp_path / "imputed.h5ad", reporter=stages)
    names = ["measure its accuracy", "predict the genes"]
    assert stages.seen == [names, *names, (4, 6, "genes"), (6, 6, "genes")]
    assert answer.isbacked
    assert list(answer.var_names) == [f"Gene{i}" for i in range(24, 30)]
    np.testing.assert_allclose(answer.X[:], whole.X[:], rtol=1e-5)
    assert (answer.layers["lower"][:] <= answer.X[:]).all()
    assert (answer.X[:] <= answer.layers["upper"][:]).all()
    np.testing.assert_allclose(answer.obsm["spatial"], tables[0].obsm["xy"])
    assert answer.uns["stbench"]["method"] == "ridge_genes"
    assert answer.uns["stbench"]["n_measured_genes"] == 24
    assert list(answer.obs_names) == list(tables[0].obs_names)


def test_predicted_genes_are_near_the_truth(tmp_path):
    """Genes that were measured too, hidden from the pair: accuracy as expected, intervals that hold them."""
    reference, spatial = planted_pair(n_cells=200, n_spots=150, n_genes=60, extra=0)
    hidden = list(spatial.var_names[::6])
    visible = spatial[:, ~spatial.var_names.isin(hidden)].copy()
    out = tmp_path / "imputed.h5ad"
    answer = stbench.predict(visible, reference, genes=hidden, method="ridge_genes", out=out).to_memory()
    truth = prepare(reference, spatial, Card("all", min_genes=1)).spatial[:, hidden].X.toarray()
    pcc = [np.corrcoef(a, b)[0, 1] for a, b in zip(truth.T, answer.X.T, strict=True)]
    assert np.mean(pcc) == pytest.approx(answer.var["expected_pcc"].mean(), abs=0.15)
    inside = (truth >= answer.layers["lower"]) & (truth <= answer.layers["upper"])
    assert 0.8 <= inside.mean() <= 0.98


def test_the_command_line(data_folder, tmp_path):
    pair = [str(data_folder / "planted"), "--limit", "cells=40"]

    def stbench_(*arguments):
        return command.stbench(*arguments, cwd=tmp_path)

    done = stbench_("choose", *pair, "--methods", "ridge_genes,mean", "--splits", "2", "--out", "choice")
    assert done.returncode == 0, done.stderr
    assert "Use ridge_genes" in done.stdout or "Trust none" in done.stdout
    genes = pd.read_csv(tmp_path / "choice" / "genes.csv", index_col="gene")
    assert list(genes.columns) == [
        "mean", "ridge_genes", "similarity", "group",
        "expected_pcc", "expected_pcc_low", "expected_pcc_high", "found",
    ]  # fmt: skip
    assert "Accuracy per gene" in done.stdout
    predict = ["predict", *pair, "--method", "ridge_genes", "--splits", "2", "--work", "choice"]
    done = stbench_(*predict, "--genes", "Gene24,Gene29", "--out", "imputed.h5ad")
    assert done.returncode == 0, done.stderr
    assert "start" not in done.stdout  # the runs of choose are used again
    assert anndata.read_h5ad(tmp_path / "imputed.h5ad").shape == (50, 2)
    done = stbench_("predict", *pair, "--genes", "Gene01")
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: Gene 'Gene01' is measured in space. Leave it out of --genes."


def test_the_package_itself_stays_light():
    code = "import json, sys, stbench; stbench.__version__; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"numpy", "anndata", "pandas", "pydantic", "typer"} & set(modules)


def test_run_leaderboard_and_score_in_python(tmp_path, monkeypatch):
    import stbench.leaderboard  # the function stays callable beside the package

    monkeypatch.chdir(tmp_path)
    board = stbench.run(["mean", "ridge_genes"], "simulated", out="results", limit="spots=100")
    ranks = stbench.make_leaderboard("results")
    assert ranks["method"].iloc[0] == "ridge_genes"
    assert set(board.runs["method"]) == {"mean", "ridge_genes"}
    truth = anndata.AnnData(np.random.default_rng(0).random((20, 3)))
    truth.obs_names, truth.var_names = truth.obs_names.astype(str), ["a", "b", "c"]
    assert stbench.score(truth, truth, ["pcc"])["pcc"].tolist() == pytest.approx([1, 1, 1])
    other = truth.copy()
    other.var_names = ["d", "e", "f"]
    with pytest.raises(StbenchError, match="^prediction shares no gene with truth"):
        stbench.score(truth, other)


@pytest.mark.real
def test_the_stated_interval_holds_on_a_real_pair(real_data):
    """Ten rotations of nested cross-validation; the script does it for more pairs."""
    script = Path(__file__).parents[2] / "benchmarks" / "choose_intervals.py"
    call = [sys.executable, script, "--data", real_data, "osmfish_ssp", "--limit", "cells=300,spots=300"]
    single = os.environ | {"OMP_NUM_THREADS": "1"}  # many small matrices: threads would only get in the way
    done = subprocess.run(call, capture_output=True, text=True, check=True, env=single)
    assert "inside the interval: True" in done.stdout, done.stdout
