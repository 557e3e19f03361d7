"""SpatialScope: labels, network, training, sampler, and the method from end to end."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy import sparse
from scipy.integrate import quad
from scipy.stats import norm, poisson

from stbench.config.variants import configure
from stbench.errors import StbenchError
from stbench.methods import REGISTRY, Context, Task, Unsupported, dense
from stbench.methods.spatialscope import data, labels, sample, score_model, train
from stbench.methods.spatialscope.data import Spots, read_spots
from stbench.methods.spatialscope.labels import log_likelihood
from stbench.toolbox.scale import log_normalise
from stbench.toolbox.tuning import mean_pearson

TINY = {
    "max_updates": 4,
    "batch": 8,
    "width": 1,
    "n_levels": 2,
    "n_inner": 1,
    "n_replicates": 1,
    "val_spots": 20,
}


def method(**settings):
    return configure(REGISTRY.get("spatialscope"), "cpu", TINY | settings)


def table(counts, genes):
    adata = AnnData(log_normalise(counts), var=pd.DataFrame({"highly_variable": True}, index=genes))
    adata.layers["counts"] = sparse.csr_matrix(counts, dtype=np.float32)
    return adata


def planted(n_cells=120, n_spots=90, n_visible=20, n_targets=4, *, seed=0, extra=0, edit=None):
    """A task with its truth and the planted type of every spot: four types in vertical stripes of the tissue.

    ``edit(cells, spots)`` may change the counts, all genes, before anything is derived from them.
    """
    rng = np.random.default_rng(seed)
    n_genes = n_visible + n_targets
    profiles = rng.gamma(0.4, 6.0, (4, n_genes + extra)) + 0.2
    types = np.arange(n_cells) % 4
    cells = rng.poisson(profiles[types])
    coordinates = rng.random((n_spots, 2))
    stripe = (coordinates[:, 0] * 4).astype(int)
    platform = rng.lognormal(0, 0.5, n_genes)
    spots = rng.poisson(2 * profiles[stripe, :n_genes] * platform)
    if edit is not None:
        edit(cells, spots)
    genes = [f"Gene{i:02d}" for i in range(n_genes + extra)]
    visible, targets = genes[:n_visible], genes[n_visible:n_genes]
    known = table(cells, genes)
    known.obs["cell_type"] = [f"type{t}" for t in types]
    space = table(spots[:, :n_visible], visible)
    space.obsm["spatial"] = coordinates
    space.var["split"] = np.where(np.arange(n_visible) % 4 == 3, "val", "train")
    return Task(known, space, targets), dense(table(spots, genes[:n_genes]), targets), stripe


# likelihood


@pytest.mark.parametrize("sigma", [0.05, 0.5, 1.0, 2.0])
def test_likelihood_is_the_integral(sigma):
    counts = np.array([0, 0, 1, 3, 20, 400])
    rates = np.array([1e-4, 5.0, 0.2, 3.0, 60.0, 300.0])
    found = log_likelihood(counts, np.log(rates), sigma)
    for x, rate, value in zip(counts, rates, found, strict=True):
        mode = max(-8 * sigma, min(8 * sigma, math.log(max(x, 0.1) / rate)))
        whole, _ = quad(
            lambda e, x=x, rate=rate: poisson.pmf(x, rate * math.exp(e)) * norm.pdf(e, scale=sigma),
            -9 * sigma, 9 * sigma, points=[mode, 0], limit=400, epsabs=0, epsrel=1e-10,
        )  # fmt: skip
        assert value == pytest.approx(math.log(whole), abs=2e-3 if sigma > 1 else 1e-5)


def test_likelihood_sums_to_one():
    counts = np.arange(2000)
    assert np.exp(log_likelihood(counts, np.full(2000, math.log(7.0)), 0.6)).sum() == pytest.approx(
        1, abs=1e-6
    )


# labels


def test_platform_factors_are_mean_share_over_expected_share():
    profiles = np.array([[0.5, 0.3, 0.2, 0.0], [0.1, 0.2, 0.7, 0.0]])
    space = np.array([[0.2, 0.2, 0.6, 0.0], [0.6, 0.2, 0.2, 0.0]])
    mean = space.mean(axis=0)
    p = labels.type_weights(mean[None], profiles)[0]
    factors = labels.platform_factors(space, profiles)
    np.testing.assert_allclose(factors[:3], mean[:3] / (p @ profiles)[:3])
    assert factors[3] == 1  # 0 / 0
    assert (labels.platform_factors(np.zeros((0, 4)), profiles) == 1).all()


def test_type_weights_are_the_poisson_maximum():
    profiles = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    weights = labels.type_weights(np.array([[3.0, 2.0], [5.0, 1.0]]) @ profiles, profiles)
    np.testing.assert_allclose(weights, [[3, 2], [5, 1]], rtol=0.02)


def test_candidates_and_first_types():
    weights = np.array([[6.0, 3.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    expected = [[True, True, False], [True, False, False], [True, True, True]]
    np.testing.assert_array_equal(labels.candidates(weights, 1), expected)
    np.testing.assert_array_equal(labels.candidates(weights, 5)[0], [True, True, True])
    assert labels.first_types(weights, 1)[:, 0].tolist() == [0, 0, 0]
    assert sorted(labels.first_types(weights[:1], 10)[0].tolist()) == [0] * 6 + [1] * 3 + [2]


def test_neighbours_are_the_nearest_by_manhattan_distance():
    grid = np.array([(x, y) for x in range(12) for y in range(12)], dtype=float)
    near = labels.neighbors(grid, len(grid))
    assert sorted(near[13].tolist()) == [0, 1, 2, 12, 14, 24, 25, 26] or 4 <= len(near[13]) <= 24
    assert 13 not in near[13]
    assert all(13 in near[other] for other in near[13])
    assert all(len(others) == 0 for others in labels.neighbors(None, 5))


def test_planted_types_are_found():
    task, _, stripe = planted()
    cells = data.read_cells(task, method(gene_order="panel", target_sum=1e4), 0)
    for smooth in (True, False):
        coordinates = task.coordinates() if smooth else None
        types, _ = labels.label_cells(
            dense(task.spatial, task.visible, "counts"), cells.linear[:, : len(task.visible)], coordinates
        )
        assert (types[:, 0] == stripe).mean() > 0.95


def test_smoothing_decides_where_the_counts_do_not():
    profiles = np.full((2, 6), 1 / 6)  # two types that look the same
    types = np.array([[0], [0], [0], [1], [0]])
    near = [np.delete(np.arange(5), i) for i in range(5)]
    counts = np.ones((5, 6))
    smoothed = labels.smooth(types, np.ones((5, 2), bool), counts, profiles, near, nu=10.0)
    assert (smoothed == 0).all()


def test_spots_without_counts_get_the_type_of_their_neighbours():
    near = [np.array([1, 2, 3]), np.array([0]), np.array([0]), np.array([0]), np.array([], dtype=int)]
    types = np.array([[-1], [2], [2], [1], [-1]])
    assert labels.with_majority(types, near)[:, 0].tolist() == [2, 2, 2, 1, 2]


def test_two_cells_per_spot_share_it():
    rng = np.random.default_rng(0)
    means = rng.gamma(0.4, 6.0, (3, 30)) + 0.1
    counts = rng.poisson(3 * (means[[0] * 20] + means[[1] * 20]))
    types, _ = labels.label_cells(counts, means, None, n_cells=2)
    assert all(sorted(pair) == [0, 1] for pair in types.tolist())


def test_labels_do_not_depend_on_the_hidden_genes():
    def spoil(cells, spots):
        spots[:, 20:] = 99

    answers = []
    for edit in (None, spoil):
        task, _, _ = planted(edit=edit)
        cells = data.read_cells(task, method(target_sum=1e4), 0)
        answers.append(read_spots(task, cells, method(), 1, "cpu"))
    for name in ("target", "types", "seen"):
        assert torch.equal(getattr(answers[0], name), getattr(answers[1], name))
    assert answers[0].size == answers[1].size


# reference


def test_gene_axis_has_panel_and_variable_genes():
    task, _, _ = planted(extra=10)
    assert set(data.gene_axis(task, 0)) == {*task.visible, *task.targets}
    more = data.gene_axis(task, 27)
    assert len(more) == 27
    assert {*task.visible, *task.targets} < set(more)
    others = task.reference[:, [f"Gene{i}" for i in range(24, 34)]]
    variance = pd.Series(others.X.toarray().var(axis=0), index=others.var_names)
    assert set(more) - {*task.visible, *task.targets} == set(variance.nlargest(3).index)


def test_clustered_order_puts_like_genes_together():
    rng = np.random.default_rng(0)
    programs = rng.normal(size=(200, 2))
    values = programs[:, [0, 1, 0, 1, 0, 1]] + 0.1 * rng.normal(size=(200, 6))
    order = data.clustered(np.column_stack((values, np.ones(200)))).tolist()
    assert sorted(order) == list(range(7))
    places = sorted(order.index(i) for i in (0, 2, 4))
    assert places[2] - places[0] == 2


def test_leiden_finds_the_types_without_labels():
    task, _, _ = planted(n_cells=200)
    labelled = task.reference.obs.pop("cell_type").to_numpy()
    found = data.cell_types(task.reference, 0)
    np.testing.assert_array_equal(found, data.cell_types(task.reference, 0))
    pairs = set(zip(labelled, found, strict=True))
    assert len(pairs) == 4 == found.max() + 1


# network

AWKWARD = [12, 33, 130, 131, 300]


@pytest.mark.parametrize("n_genes", AWKWARD)
def test_network_keeps_the_length(n_genes):
    net = score_model.build(n_genes, 1, torch.Generator().manual_seed(0))
    films = score_model.rows_of(net.type_features(torch.randn(2, n_genes)), torch.tensor([0, 1, 1]))
    assert net(torch.randn(3, n_genes), 1.0, films).shape == (3, n_genes)


def test_factors():
    assert score_model.factors(130) == (3, 4, 5, 1)
    assert score_model.factors(129) == (2, 3, 1, 1)
    assert score_model.ScoreNet(300, 1).lengths == [300, 100, 25, 5, 5]
    assert [score_model.ScoreNet(131, 32).type_down[i].shortcut.out_channels for i in range(4)] == [
        128,
        256,
        512,
        512,
    ]


def test_weights_are_orthogonal_and_biases_zero():
    net = score_model.build(40, 2, torch.Generator().manual_seed(0))
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
            continue
        flat = parameter.detach().flatten(1)
        gram = flat @ flat.T if len(flat) <= flat.shape[1] else flat.T @ flat
        torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-5, rtol=0)


def test_noise_level_is_ignored():
    net = score_model.build(20, 1, torch.Generator().manual_seed(0))
    films = net.type_features(torch.randn(3, 20))
    x = torch.randn(3, 20)
    assert torch.equal(net(x, 0.01, films), net(x, 100.0, films))


def test_features_of_a_type_can_be_computed_once():
    net = score_model.build(131, 1, torch.Generator().manual_seed(0))
    means, types, x = torch.randn(3, 131), torch.tensor([2, 0, 0, 1, 2]), torch.randn(5, 131)
    cached = net(x, 1.0, score_model.rows_of(net.type_features(means), types))
    torch.testing.assert_close(cached, net(x, 1.0, net.type_features(means[types])), atol=1e-5, rtol=1e-5)


def test_the_type_steers_the_network():
    net = score_model.build(40, 1, torch.Generator().manual_seed(0))
    x = torch.randn(1, 40)
    one, other = (net(x, 1.0, net.type_features(mean)) for mean in (torch.zeros(1, 40), torch.randn(1, 40)))
    assert (one - other).abs().max() > 1e-3


# training


def test_noise_levels():
    levels = train.noise_levels(100, 0.01, 232)
    assert len(levels) == 232
    assert levels[0] == 100
    assert levels[-1] == pytest.approx(0.01)
    torch.testing.assert_close(levels[1:] / levels[:-1], torch.full((231,), 1e-4 ** (1 / 231)))


def test_denoising_loss_is_the_mean_absolute_error_of_minus_the_noise():
    class Half(torch.nn.Module):
        def type_features(self, means):
            return [(means, means)]

        def forward(self, x, sigma, films):
            return -0.5 * x / sigma[:, None]

    noise = torch.tensor([[1.0, -2.0], [0.5, 4.0]])
    loss = train.denoising_loss(
        Half(), torch.zeros(2, 2), torch.tensor([0, 0]), torch.zeros(1, 2), torch.tensor([3.0, 0.1]), noise
    )
    assert loss.item() == pytest.approx(0.5 * 7.5 / 4)


def test_training_learns_to_denoise():
    task, _, _ = planted()
    settings = method(target_sum=1e3, max_updates=60, batch=32, lr=1e-2)
    cells = data.read_cells(task, settings, 0)
    losses = []
    nets = train.train(
        cells, settings, train.noise_levels(5, 0.5, 10), torch.Generator().manual_seed(0),
        lambda done, total, loss: losses.append((done, total, loss)),
    )  # fmt: skip
    assert len(nets) == 2
    assert losses[-1][:2] == (60, 60)
    assert losses[-1][2] < 0.6  # an answer of zero has 0.8
    assert not all(map(torch.equal, nets[0].parameters(), nets[1].parameters()))


# sampler


def gaussian_score(covariance):
    """``sigma`` times the score of centred normal data with this covariance after noise of that level."""

    def score(x, sigma):
        return -sigma * x @ torch.linalg.inv(covariance + sigma**2 * torch.eye(len(covariance)))

    return score


def test_langevin_draws_from_a_gaussian_prior():
    covariance = torch.tensor([[1.0, 0.6], [0.6, 0.5]])
    schedule = sample.Schedule(train.noise_levels(100, 0.01, 232), 5, 0.1, 1.0)  # as published
    means, target = torch.full((4000, 2), 2.0), torch.zeros(4000, 1)  # empty spots: no data term
    drawn = sample.langevin(
        gaussian_score(covariance),
        means,
        target,
        torch.tensor([0]),
        schedule,
        torch.Generator().manual_seed(0),
    )
    torch.testing.assert_close(drawn.mean(dim=0), torch.full((2,), 2.0), atol=0.06, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), covariance, atol=0.12, rtol=0)


def test_langevin_finds_the_posterior_mean():
    """The hidden gene follows the visible one as the prior's regression says."""
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]])
    schedule = sample.Schedule(train.noise_levels(10, 0.01, 80), 10, 0.1, 2.0)
    for seen_log in (0.4, 1.6):
        target = torch.full((1500, 1), math.expm1(seen_log))
        drawn = sample.langevin(
            gaussian_score(covariance), torch.ones(1500, 2), target, torch.tensor([0]), schedule,
            torch.Generator().manual_seed(0),
        )  # fmt: skip
        assert drawn[:, 0].mean() == pytest.approx(seen_log, abs=0.1)
        assert drawn[:, 1].mean() == pytest.approx(1 + 0.8 * (seen_log - 1), abs=0.15)


def test_data_term_is_the_clipped_gradient():
    log_cells = torch.log(torch.tensor([[1.5, 9.0], [2.0, 1.0]]))
    target = torch.tensor([[0.2, 0.3], [0.9, 0.0]])
    # values - 1 - target = (.3, 7.7), (.1, 0); clipped to 1, times value, clipped to 2
    torch.testing.assert_close(sample.misfit(log_cells, target), torch.tensor([[0.45, 2.0], [0.2, 0.0]]))
    together = sample.misfit(log_cells, target[:1])  # the same two cells in one spot
    torch.testing.assert_close(together, torch.tensor([[1.5 * 1, 2.0], [2.0 * 1, 1.0]]))
    empty = sample.misfit(torch.full((2, 2), 200.0), torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    assert torch.equal(empty, torch.tensor([[0.0, 0.0], [2.0, 2.0]]))


def test_data_term_acts_on_visible_genes_only():
    schedule = sample.Schedule(train.noise_levels(1, 0.1, 5), 2, 0.1, 1.0)
    drawn = [
        sample.langevin(
            lambda x, sigma: -x * sigma / (1 + sigma**2), torch.ones(6, 3), torch.full((6, 1), target),
            torch.tensor([1]), schedule, torch.Generator().manual_seed(0),
        )
        for target in (0.1, 50.0)
    ]  # fmt: skip
    assert torch.equal(drawn[0][:, [0, 2]], drawn[1][:, [0, 2]])
    assert (drawn[1][:, 1] > drawn[0][:, 1]).all()


class Overflowing(torch.nn.Module):
    """A network whose first answers overflow."""

    def __init__(self, bad):
        super().__init__()
        self.bad, self.rows = bad, []

    def type_features(self, means):
        return [(means, means)]

    def forward(self, x, sigma, films):
        self.rows.append(len(x))
        self.bad -= 1
        answer = torch.zeros_like(x)
        if self.bad >= 0:
            answer[0] = torch.nan
        return answer


def test_spots_that_overflow_are_drawn_again_and_then_an_error():
    spots = Spots(
        torch.ones(4, 2), torch.tensor([0, 1]), torch.tensor([2]), torch.zeros(4, 1, dtype=torch.long), 1.0
    )
    schedule = sample.Schedule(torch.tensor([0.1]), 1, 0.1, 1.0)

    def run(net):
        return sample.decompose(
            net, torch.zeros(1, 3), spots, schedule, torch.Generator().manual_seed(0), n_replicates=1, rows=8
        )

    net = Overflowing(2)
    assert run(net).isfinite().all()
    assert net.rows == [4, 4, 1, 1]
    with pytest.raises(StbenchError, match="overflowed"):
        run(Overflowing(100))


def test_replicates_and_chunks():
    net = score_model.build(24, 1, torch.Generator().manual_seed(0))
    spots = Spots(
        torch.ones(5, 3), torch.tensor([0, 1, 2]), torch.tensor([3]), torch.zeros(5, 2, dtype=torch.long), 1.0
    )
    schedule = sample.Schedule(train.noise_levels(1, 0.1, 3), 1, 0.5, 1.0)
    done = []
    answer = sample.decompose(
        net, torch.zeros(1, 24), spots, schedule, torch.Generator().manual_seed(0),
        n_replicates=3, rows=8, progress=lambda part, whole: done.append((part, whole)),
    )  # fmt: skip
    assert answer.shape == (5, 24)
    assert (answer >= 0).all()
    assert done == [(4, 15), (8, 15), (12, 15), (15, 15)]


# the method


def test_learns_the_planted_types():
    task, truth, _ = planted()
    model = method(max_updates=150, batch=32, width=2, n_levels=15, n_inner=2, n_replicates=4, val_spots=40)
    assert mean_pearson(truth, model.predict(task, Context(seed=0))) > 0.25


def test_same_seed_same_answer_and_no_trace_in_the_global_generators():
    task, _, _ = planted()
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second, other = (method().predict(task, Context(seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


def test_hidden_values_make_no_difference():
    def spoil(cells, spots):
        spots[:, 20:] = 1000

    first, second = (method().predict(planted(edit=edit)[0], Context()) for edit in (None, spoil))
    np.testing.assert_array_equal(first, second)


def degenerate(cells, spots):
    cells[:, 0] = 3  # constant in the reference
    spots[:, 1] = 0  # constant in space
    cells[:, 11] = 0  # a target that the reference does not have
    spots[3, :10] = 0  # an empty spot
    spots[5] = spots[4]


@pytest.mark.parametrize("n_spots", [129, 130])
@pytest.mark.parametrize("n_cells", [1, 2])
def test_degenerate_input(n_spots, n_cells):
    task, _, _ = planted(40, n_spots, 10, 2, edit=degenerate)
    task.spatial.obsm["spatial"][5] = task.spatial.obsm["spatial"][4]
    task.reference.obs["cell_type"] = ["rare", *["common"] * 39]
    answer = method(n_cells=n_cells).predict(task, Context())
    assert answer.shape == (n_spots, 2)
    assert np.isfinite(answer).all()
    assert (answer >= 0).all()
    assert not answer[:, 1].any()
    assert answer[:, 0].any()


def test_the_cells_of_a_spot_are_chosen_where_they_are_not_given(monkeypatch):
    """By the validation genes: the sampler is asked for both numbers, and the better one predicts."""
    task, _, _ = planted()
    seen, chosen = [], {}

    def choose(task, settings, predict):
        seen.append([setting[3] for setting in settings])
        return settings[-1]

    monkeypatch.setattr("stbench.toolbox.tuning.choose", choose)
    answer = method(tune=False).predict(task, Context(chosen=chosen.update))
    assert seen == [[1, 4]]
    assert chosen == {"n_cells": 4}
    assert answer.shape == (task.spatial.n_obs, len(task.targets))
    method(tune=False, n_cells=2).predict(task, Context(chosen=chosen.update))
    assert seen == [[1, 4]]


def test_no_coordinates_and_no_choice():
    task, _, _ = planted()
    del task.spatial.obsm["spatial"]
    assert np.isfinite(method(tune=False).predict(task, Context())).all()


def test_intensities_are_unsupported():
    task, _, _ = planted()
    with pytest.raises(Unsupported, match="counts"):
        method().predict(replace(task, units="intensity"), Context())


def test_answers_on_the_scale_of_the_task():
    """The level of a target is that of its type mean, brought to the depth of the spots."""
    task, truth, _ = planted(n_cells=400, edit=None)
    model = method(max_updates=100, batch=32, width=2, n_levels=15, n_inner=2, n_replicates=4, tune=False)
    answer = model.predict(task, Context())
    assert 0.2 < answer.mean() / truth.mean() < 5
