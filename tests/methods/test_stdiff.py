"""stDiff: rows and the way back, what the network sees and knows, switches, and whether it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stbench.methods import Context, Shape, Task
from stbench.methods.stdiff import StDiff
from stbench.methods.stdiff.model import RowScale, StDiffLearner, on_scale_of_x, spot_rows, training_rows
from stbench.tables import dense
from stbench.toolbox.scale import log_normalise
from stbench.toolbox.tuning import mean_pearson

TINY = StDiff(
    width=16, batch=32, depth=2, heads=2, max_updates=3, lr=1e-3, checks=2, sampling_steps=3, check_steps=2,
    n_samples=2,
)  # fmt: skip


def learner(task, seed=0, **changes):
    """A learner with weights as they may be after training: none is zero."""
    made = StDiffLearner(replace(TINY, **changes), task, Context(seed=seed))
    fresh = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.net.parameters():
            parameter.normal_(std=0.2, generator=fresh)
    return made


def test_rows_by_hand():
    counts = np.array([[1.0, 3.0, 0.0, 9.0], [0.0, 0.0, 0.0, 2.0]])  # the last gene is hidden
    scale = RowScale.of(counts[:, :3])
    rows = scale.apply(counts)
    largest = np.log1p(7500)
    np.testing.assert_allclose(
        rows[0], 2 * np.log1p([2500, 7500, 0, 22500]) / [largest, largest, largest, largest] - 1
    )
    np.testing.assert_allclose(rows[1], [-1, -1, -1, 2 * np.log1p(2e4) - 1])  # empty: total and maximum are 1
    np.testing.assert_allclose(scale.invert(rows), counts, atol=1e-12)


def test_training_rows_double_the_cells_and_are_at_most_one(make_task):
    task, _ = make_task()
    rows = training_rows(task.reference, task.visible, task.targets, 10.0)
    counts = dense(task.reference, task.visible + task.targets, layer="counts")
    added = counts[0] + 10
    wanted = np.log1p(1e4 * added / added[:24].sum())
    assert rows.shape == (180, 28)
    np.testing.assert_allclose(rows[90], np.minimum(2 * wanted / wanted[:24].max() - 1, 1), rtol=1e-5)
    assert rows.max() == 1
    assert rows.min() == -1
    assert training_rows(task.reference, task.visible, task.targets, 0.0).shape == (90, 28)


def test_the_way_back_ends_on_the_scale_of_x(make_task):
    def empty_spot(cells, spots, genes):
        spots[3] = 0

    task, _ = make_task(edit=empty_spot)
    rows, scale = spot_rows(task)
    np.testing.assert_allclose(on_scale_of_x(task, scale, rows), dense(task.spatial, task.visible), atol=1e-4)


def test_the_way_back_for_intensities(make_task):
    counts_task, _ = make_task()
    spatial = counts_task.spatial.copy()
    del spatial.layers["counts"]
    spatial.X = np.log1p(np.random.default_rng(0).random(spatial.shape))
    task = Task(counts_task.reference, spatial, counts_task.targets, "intensity")
    rows, scale = spot_rows(task)
    np.testing.assert_allclose(on_scale_of_x(task, scale, rows), spatial.X, atol=1e-5)


def test_observed_genes_are_clean_in_every_step_of_the_sampler(make_task):
    task, _ = make_task()
    made, seen = learner(task), []
    made.net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[0]))
    made.sample(4)
    rows, _ = spot_rows(task)
    assert len(seen) == 4 * 3  # steps x batches of 70 spots
    for step in range(4):
        together = torch.cat([seen[batch * 4 + step] for batch in range(3)], dim=1)
        assert torch.equal(together, torch.from_numpy(rows).expand(2, -1, -1))


def test_loss_at_the_start_is_the_share_of_hidden_genes(make_task):
    """A fresh network predicts no noise, so the squared error is 1 on targets; masked genes add zero."""
    task, _ = make_task(n_cells=400)
    made = StDiffLearner(TINY, task, Context())
    losses = [made.loss(torch.arange(len(made.rows))).item() for _ in range(5)]
    assert np.mean(losses) == pytest.approx(4 / 28, rel=0.05)


@pytest.mark.parametrize("objective", ["eps", "x0"])
def test_loss_by_hand(make_task, objective):
    task, _ = make_task()
    made = learner(task, objective=objective)
    rows, state = made.rows[None, :32], made.generator.get_state()
    loss = made.loss(torch.arange(32))
    made.generator.set_state(state)
    time = torch.randint(1500, (1, 32), generator=made.generator)
    noise = torch.randn((1, 32, 4), generator=made.generator)
    share = made.diffusion.alpha_bar[time][..., None]
    noisy = share.sqrt() * rows[..., 24:] + (1 - share).sqrt() * noise
    error = (noise if objective == "eps" else rows[..., 24:]) - made.net(rows[..., :24], noisy, time)
    torch.testing.assert_close(loss, error.square().sum() / (32 * 28))


@pytest.mark.parametrize("attend_batch", [True, False])
def test_spots_know_no_order(make_task, attend_batch):
    task, _ = make_task()
    made = learner(task, attend_batch=attend_batch)
    visible, noisy, time = made.rows[None, :9, :24], torch.randn(1, 9, 4), torch.tensor([[700]])
    order = [4, 2, 8, 0, 1, 7, 6, 3, 5]
    expected = made.estimate(visible, noisy, time)[:, order]
    torch.testing.assert_close(made.estimate(visible[:, order], noisy[:, order], time), expected)


def test_company_matters_only_where_rows_attend_to_each_other(make_task):
    task, _ = make_task()
    noisy, time = torch.randn(2, 9, 4), torch.tensor([[700]])
    for attend_batch in (True, False):
        made = learner(task, attend_batch=attend_batch)
        visible = made.rows[:9, :24].expand(2, -1, -1)
        difference = made.estimate(visible, noisy, time)[:, :5] - made.estimate(
            visible[:, :5], noisy[:, :5], time
        )
        assert (difference.abs().max() > 1e-3) == attend_batch
        assert attend_batch or difference.abs().max() < 1e-5


def test_sampler_takes_the_answer_as_what_was_trained(make_task):
    """A fresh network answers zero: as clean targets that is the middle of the range, for every spot."""
    task, _ = make_task()
    _, scale = spot_rows(task)
    middle = on_scale_of_x(task, scale, np.zeros((70, 4)))
    fresh = {o: StDiffLearner(replace(TINY, objective=o), task, Context()) for o in ("x0", "eps")}
    np.testing.assert_allclose(fresh["x0"].predict(), middle)
    assert np.abs(fresh["eps"].predict() - middle).max() > 0.1  # as noise it leaves the start, only larger


def test_no_spot_is_left_to_a_batch_of_its_own(make_task):
    task, _ = make_task(n_spots=65)
    made, sizes = learner(task), []
    made.net.register_forward_pre_hook(lambda net, inputs: sizes.append(inputs[0].shape[1]))
    made.sample(1)
    assert sizes == [22, 22, 21]


def test_published_sizes_by_number_of_genes():
    assert [StDiff().size(n) for n in (511, 512, 1024)] == [(512, 2048), (1024, 512), (2048, 512)]
    assert StDiff().updates(n_cells=3000, n_genes=100) == 900 * 3
    assert StDiff(max_updates=70).updates(n_cells=3000, n_genes=100) == 70
    assert StDiff(aug_add=0).updates(n_cells=3000, n_genes=100) == 900 * 2


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attend_batch": False},
        {"sampler": "ddim"},
        {"objective": "x0"},
        {"aug_add": 0.0},
        {"n_samples": 1},
    ],
)
def test_switches_change_the_prediction(make_task, changes):
    task, _ = make_task()
    plain = replace(TINY, lr=0.05).predict(task, Context(seed=0))
    switched = replace(TINY, lr=0.05, **changes)
    answer = switched.predict(task, Context(seed=0))
    assert answer.shape == (70, 4)
    assert np.isfinite(answer).all()
    assert np.array_equal(answer, plain) == (not changes)  # the same seed, the same bits
    assert not np.array_equal(switched.predict(task, Context(seed=1)), answer)


def test_a_check_changes_nothing(make_task):
    task, _ = make_task()
    alone, checked = (StDiffLearner(TINY, task, Context()) for _ in range(2))
    for _ in range(2):
        alone.update(), checked.update()
        checked.check()
    np.testing.assert_array_equal(alone.predict(), checked.predict())


@pytest.mark.parametrize("objective", ["eps", "x0"])
def test_learns(make_task, objective):
    """Five types, told apart by their visible genes, in space mixed smoothly."""
    task, truth = make_task(n_cells=300, n_spots=150)
    method = StDiff(
        width=32, batch=64, depth=2, heads=2, max_updates=400, lr=3e-3, checks=2, sampling_steps=8,
        check_steps=8, objective=objective,
    )  # fmt: skip
    assert mean_pearson(truth, method.predict(task, Context())) > 0.3


def test_memory_grows_with_cells_and_with_the_published_width():
    small, large = (Shape(cells, 1000, 200, 20, 2000) for cells in (1000, 100_000))
    assert StDiff().memory_bytes(large) > 50 * 220 * 100_000
    assert StDiff().memory_bytes(small) > 24 * 108 * 512**2
    assert StDiff(**StDiff.presets["cpu"]).memory_bytes(small) < StDiff().memory_bytes(small)


def test_normalisation_uses_visible_genes_only(make_task):
    """The X that a task brings is not read where there are counts, so nothing of a wider total gets in."""
    task, _ = make_task()
    spatial = task.spatial.copy()
    spatial.X = log_normalise(task.spatial.layers["counts"], totals=np.full(70, 1e6))
    other = Task(task.reference, spatial, task.targets)
    np.testing.assert_array_equal(TINY.predict(other, Context()), TINY.predict(task, Context()))
