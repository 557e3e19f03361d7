"""The published protocol on planted truths: what is pasted, what is scored, what the page says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from command import stbench

from stbench.audit.audit import audit_scores, draw_mask, paste, untrained_decoder


@pytest.fixture
def truth():
    """Sparse: three in four values are zero."""
    rng = np.random.default_rng(0)
    values = np.log1p(rng.poisson(rng.gamma(0.5, 0.6, size=12), size=(300, 12)))
    return pd.DataFrame(values, [f"s{i}" for i in range(300)], [f"g{i}" for i in range(12)])


def means(scores, metric="pcc"):
    table = scores[scores["metric"] == metric]
    return {
        (row.predictor, row.pasted): row.mean_ for row in table.rename(columns={"mean": "mean_"}).itertuples()
    }


def test_the_mask_holds_three_in_ten_of_the_non_zeros_and_no_zero():
    truth = np.zeros((20, 10))
    truth[:10] = 2.0
    mask = draw_mask(truth, np.random.default_rng(0))
    assert mask.sum() == 30
    assert not mask[10:].any()
    assert (mask != draw_mask(truth, np.random.default_rng(1))).any()


def test_outside_the_mask_is_the_truth():
    truth, answer = np.array([[0.0, 3], [5, 0]]), np.full((2, 2), 9.0)
    mask = np.array([[False, True], [False, False]])
    assert paste(truth, answer, mask).tolist() == [[0, 9], [5, 0]]


def test_what_has_learned_nothing_is_at_zero_and_near_one_with_paste(truth):
    found = means(audit_scores(truth, {}))
    for name in ("constant 0.5", "constant 0.5 plus noise of 0.001", "untrained decoder"):
        assert found[name, False] == pytest.approx(0, abs=0.05)
        assert found[name, True] > 0.7
    assert ("gene's mean of the pasted non-zeros", False) not in found
    assert found["gene's mean of the pasted non-zeros", True] > found["constant 0.5", True]


def test_scores_are_those_of_the_metrics(truth):
    from stbench.scoring.scores import score

    scores = audit_scores(truth, {}, seed=3)
    mask = draw_mask(truth.to_numpy(), np.random.default_rng(3))
    answer = pd.DataFrame(np.where(mask, 0.5, truth), truth.index, truth.columns)
    expected = score(truth, answer, ["pcc", "js", "causalged_rmse_plus_1"])
    for metric, values in expected.items():
        row = scores[
            (scores["predictor"] == "constant 0.5") & scores["pasted"] & (scores["metric"] == metric)
        ]
        found = row[["mean", "sd", "n_genes"]].to_numpy(dtype=float)[0]
        assert found == pytest.approx([values.mean(), values.std(), values.count()])


def test_both_families_and_the_direction_of_a_method(truth):
    scores = audit_scores(truth, {"perfect": truth, "opposite": -truth})
    assert list(dict.fromkeys(scores["metric"])) == [
        "pcc", "ssim", "rmse", "js",
        "causalged_js_distance", "causalged_pcc", "causalged_rmse_plus_1", "causalged_ssim",
    ]  # fmt: skip
    found = means(scores)
    assert found["perfect", False] == found["perfect", True] == pytest.approx(1)
    assert found["opposite", False] == pytest.approx(-1)
    assert found["opposite", True] > 0
    assert set(scores["kind"]) == {"nothing learned", "method"}


def test_the_untrained_decoder_is_seeded_and_leaves_the_global_seed():
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    values = untrained_decoder(4, 50, seed=1)
    assert torch.rand(1) == expected
    assert values.shape == (50, 4)
    assert (values == untrained_decoder(4, 50, seed=1)).all()
    assert np.abs(values - 0.5).max() < 0.1  # as the sigmoid of small numbers


def test_the_command_writes_a_page_and_a_table(data_folder, tmp_path):
    arguments = ["audit", "--datasets", "planted", "--methods", "ridge,novosparc", "--data", str(data_folder)]
    done = stbench(*arguments, "--out", tmp_path / "audit")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "audit" / "audit.csv")
    assert set(table.query("kind == 'method'")["predictor"]) == {"ridge (default)", "novosparc (default)"}
    assert (table["dataset"] == "planted").all()
    page = (tmp_path / "audit" / "audit.md").read_text()
    assert "Test matrix: 50 spots x 3 genes" in page
    row = next(line for line in page.splitlines() if line.startswith("| ridge (default)"))
    shown = table.query("predictor == 'ridge (default)' and metric == 'pcc' and not pasted").iloc[0]
    assert f"| {shown['mean']:.3f} ± {shown['sd']:.3f} |" in row
    assert "| cause | effect | p, order of the file (null: cells shuffled) | p under the null |" in page


@pytest.mark.real
def test_on_a_sparse_real_pair_the_constant_with_paste_is_above_every_method(real_data):
    from stbench.data.cache import load
    from stbench.data.limit import Limit
    from stbench.data.sources import catalogue
    from stbench.data.split import make_splits
    from stbench.data.visible import visible_spatial
    from stbench.methods import REGISTRY, Context
    from stbench.tables import dense
    from stbench.task import Task

    pair = load(catalogue([real_data])["starmap_visp_zeisel200"], Limit(spots=250, genes=80))
    split = make_splits(pair.genes)[0]
    genes = list(split.test)
    truth = pd.DataFrame(dense(pair.spatial, genes), pair.spatial.obs_names, genes)
    task = Task(pair.reference, visible_spatial(pair.spatial, split, "counts"), genes)
    methods = {
        name: pd.DataFrame(REGISTRY.get(name)().predict(task, Context()), truth.index, genes)
        for name in ("kernel", "ridge", "spage")
    }
    found = means(audit_scores(truth, methods))
    assert found["constant 0.5", False] == 0
    assert all(found["constant 0.5", True] > found[name, False] + 0.1 for name in methods)
