import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from stbench.errors import StbenchError
from stbench.methods import REGISTRY, Context
from stbench.methods.stplus import StPlus
from stbench.methods.stplus.autoencoder import Autoencoder, embed, keep_lowest, settled, train
from stbench.tables import dense
from stbench.toolbox.genes import extra_genes
from stbench.toolbox.neighbours import cosine_weights

SMALL = {"n_hidden": 40, "batch_size": 32, "max_epochs": 6, "tolerance": 0.0}


@pytest.fixture
def tables():
    """Spots (23, 7), and cells (31, 7 + 12) in visible and other genes, about half of the values zero."""
    rng = np.random.default_rng(0)
    both = np.log1p(rng.poisson(1.0, (54, 19))).astype(np.float32)
    return both[:23, :7].copy(), both[23:, :7].copy(), both[23:, 7:].copy()


def whole(net):
    """Undivided layers of a net: weights (n_hidden, n_genes), bias, weights (n_genes, n_hidden), bias."""
    encoder, spots, cells = net.encoder, net.spot_decoder, net.cell_decoder
    return (
        torch.cat([encoder.seen, encoder.unseen], dim=1),
        encoder.bias,
        torch.cat([spots.weight, cells.weight]),
        torch.cat([spots.bias, cells.bias]),
    )


def literal_loss(weights, spots, cells, n_seen, ratio, q):
    """The loss as its formula stands: zero-padded rows, all columns, element by element where it differs."""
    w1, b1, w2, b2 = weights
    padded = torch.cat([spots, torch.zeros(len(spots), cells.shape[1] - n_seen)], dim=1)
    masked = cells.clone()
    masked[:, n_seen:] = 0
    decoded = [linear(linear(rows, w1, b1).relu(), w2, b2).relu() for rows in (padded, masked)]
    spot_loss = ((decoded[0][:, :n_seen] - spots) ** 2).sum()
    cell_loss = torch.zeros(())
    for row, truth in zip(decoded[1], cells, strict=True):
        for value, true in zip(row[n_seen:], truth[n_seen:], strict=True):
            cell_loss = cell_loss + (q if true == 0 else 1.0) * (value - true) ** 2
    return spot_loss + ratio * cell_loss


def constants(spots, seen, unseen):
    """The share of non-zeros of the reference, and the weight of the cells' loss."""
    reference = np.hstack([seen, unseen])
    return (reference != 0).mean(), seen.shape[1] / unseen.shape[1] * len(spots) / len(seen)


def test_loss_equals_the_formula(tables):
    net = Autoencoder(7, 12, 10, torch.Generator().manual_seed(1))
    q, ratio = constants(*tables)
    spots, seen, unseen = (torch.from_numpy(table) for table in tables)
    expected = literal_loss(whole(net), spots, torch.cat([seen, unseen], dim=1), 7, ratio, q)
    loss = net.loss(spots, seen, unseen, ratio, q)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_training_equals_undivided_layers_with_plain_adam(tables):
    spots, seen, unseen = tables
    method = StPlus(n_hidden=10, batch_size=16, max_epochs=3, tolerance=0.0)
    kept = train(method, spots, seen, unseen, Context(seed=4))

    generator = torch.Generator().manual_seed(4)
    weights = [w.detach().requires_grad_() for w in whole(Autoencoder(7, 12, 10, generator))]
    optimizer = torch.optim.Adam(weights, lr=4e-3, weight_decay=2e-4)
    q, ratio = constants(*tables)
    cells = np.hstack([seen, unseen])
    for epoch in range(3):
        for batch in torch.randperm(54, generator=generator).split(16):
            rows = [batch[batch < 23], batch[batch >= 23] - 23]
            part = [torch.from_numpy(table)[row] for table, row in zip((spots, cells), rows, strict=True)]
            optimizer.zero_grad()
            literal_loss(weights, *part, 7, ratio, q).backward()
            optimizer.step()
        encoder = kept[epoch]
        columns = torch.cat([encoder.seen, encoder.unseen], dim=1)
        torch.testing.assert_close(columns.detach(), weights[0].detach(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(encoder.bias.detach(), weights[1].detach(), atol=1e-5, rtol=1e-4)
    hidden = linear(torch.from_numpy(cells), weights[0], weights[1]).relu().detach().numpy()
    np.testing.assert_allclose(embed(kept[-1], seen, unseen), hidden, atol=1e-4)


def test_layers_start_like_those_of_torch():
    net = Autoencoder(300, 100, 500, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    for ours, theirs in (
        (whole(net)[0], torch.nn.Linear(400, 500).weight),
        (whole(net)[2], torch.nn.Linear(500, 400).weight),
    ):
        assert ours.shape == theirs.shape
        assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.01)
        assert ours.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.01)


def test_stops_at_the_first_small_change_and_does_not_keep_that_epoch(tables):
    losses = []
    ctx = Context(seed=0, progress=lambda done, total, loss: losses.append(loss))
    kept = train(StPlus(n_hidden=10, learning_rate=0.03, n_kept=1000), *tables, ctx)
    changes = [abs(b - a) / a for a, b in pairwise(losses)]
    assert len(losses) > 5
    assert changes[-1] < 0.004 <= min(changes[:-1])
    assert len(kept) == len(losses) - 1


def test_settled_by_hand():
    assert not settled(math.inf, 5.0, 0.004)
    assert settled(100.0, 99.7, 0.004)
    assert settled(100.0, 100.3, 0.004)
    assert not settled(100.0, 99.5, 0.004)


def test_the_five_lowest_losses_stay():
    kept = []
    for loss in (9.0, 8.0, 3.0, 7.0, 6.0, 8.5, 5.0, 20.0, 4.0):
        kept = keep_lowest(kept, loss, torch.nn.Linear(1, 1), 5)
    assert sorted(loss for loss, _ in kept) == [3, 4, 5, 6, 7]
    assert [loss for loss, _ in kept] == [5, 4, 3, 7, 6]  # each in the place of the worst at its time


def test_kept_epochs_are_copies():
    layer = torch.nn.Linear(1, 1)
    kept = keep_lowest([], 1.0, layer, 5)
    with torch.no_grad():
        layer.weight += 1
    assert kept[0][1].weight.item() == pytest.approx(layer.weight.item() - 1)


@pytest.mark.parametrize("mask_reference", [False, True])
def test_prediction_is_the_mean_over_kept_epochs(make_task, mask_reference):
    task, _ = make_task(n_visible=20, n_targets=5)
    method = StPlus(**SMALL, mask_reference=mask_reference, n_neighbors=12)
    visible, others = sorted(task.visible), sorted(task.targets)
    spots, seen, unseen = (
        dense(table, genes, dtype=np.float32)
        for table, genes in ((task.spatial, visible), (task.reference, visible), (task.reference, others))
    )
    expected = np.zeros((70, 5))
    for encoder in train(method, spots, seen, unseen, Context(seed=0)):
        cells = np.hstack([seen, np.zeros_like(unseen) if mask_reference else unseen])
        w = torch.cat([encoder.seen, encoder.unseen], dim=1).detach().numpy()
        b = encoder.bias.detach().numpy()
        hidden = [np.maximum(rows @ w[:, : rows.shape[1]].T + b, 0) for rows in (cells, spots)]
        expected += cosine_weights(*hidden, 12) @ dense(task.reference, task.targets) / 5
    np.testing.assert_allclose(method.predict(task, Context(seed=0)), expected, rtol=1e-3, atol=1e-4)


def test_extra_genes_are_the_most_variable_others(make_task):
    task, _ = make_task(n_visible=20, n_targets=8)
    object.__setattr__(task, "targets", task.targets[:2])
    others = [gene for gene in task.reference.var_names if gene not in (*task.visible, *task.targets)]
    variance = dense(task.reference, others).var(axis=0)
    assert extra_genes(task, 3) == sorted(np.array(others)[np.argsort(-variance)[:3]])
    assert extra_genes(task, 2000) == sorted(others)
    assert extra_genes(task, 0) == []


@pytest.mark.parametrize("seed", [0, 7])
def test_seed_decides_and_the_global_one_is_left_alone(make_task, seed):
    task, _ = make_task()
    method = StPlus(**SMALL)
    before = torch.get_rng_state()
    values = method.predict(task, Context(seed=seed))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    np.testing.assert_array_equal(values, method.predict(task, Context(seed=seed)))
    assert np.abs(values - method.predict(task, Context(seed=seed + 1))).max() > 1e-4


def test_a_diverging_loss_is_an_error(make_task):
    task, _ = make_task()
    with pytest.raises(StbenchError, match="Set stplus.learning_rate lower"):
        StPlus(**(SMALL | {"learning_rate": 1e30})).predict(task, Context())


def test_learning_rate_falls_with_ten_thousand_cells():
    rng = np.random.default_rng(0)
    spots, cells = rng.random((30, 2), dtype=np.float32), rng.random((10_000, 2), dtype=np.float32)
    method = StPlus(n_hidden=3, batch_size=20_000, max_epochs=2, tolerance=0.0)
    for seen, rate in ((cells, 8e-5), (cells[1:], 4e-3)):
        start = Autoencoder(2, 2, 3, torch.Generator().manual_seed(0)).encoder.bias
        encoder = train(method, spots, seen, seen, Context(seed=0))[0]
        # the first step of Adam moves every live weight by the learning rate
        assert (encoder.bias - start).abs().max().item() == pytest.approx(rate, rel=0.01)


def test_registered_under_its_name():
    assert REGISTRY.get("stplus") is StPlus
