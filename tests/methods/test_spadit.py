"""SpaDiT: rows of genes, the loss, the sampler, switches, and whether it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stbench.methods import Context, Shape
from stbench.methods.spadit import SpaDiT
from stbench.methods.spadit.model import GeneMLP, SpaDiTLearner, gene_rows, principal_components
from stbench.tables import dense
from stbench.toolbox.scale import target_maxima
from stbench.toolbox.tuning import mean_pearson

TINY = SpaDiT(
    hidden=8, depth=2, heads=2, timesteps=50, batch=10, lr=1e-3, max_updates=4, check_every=2,
    sampling_steps=3, n_samples=2,
)  # fmt: skip


def learner(task, seed=0, **changes):
    """A learner with weights as they may be after training: none is zero."""
    made = SpaDiTLearner(replace(TINY, **changes), task, Context(seed=seed))
    fresh = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.net.parameters():
            parameter.normal_(std=0.2, generator=fresh)
    return made


def test_rows_are_shares_of_the_maximum_matched_by_name(make_task):
    def silent(cells, spots, genes):
        spots[:, 1] = cells[:, 2] = 0

    task, _ = make_task(edit=silent, order=lambda names: list(reversed(names)))
    rows = gene_rows(task, "none", "cpu")
    x = dense(task.spatial, ["Gene5"])[:, 0]
    at = task.visible.index("Gene5")
    np.testing.assert_allclose(rows.maps[at], 2 * x / x.max() - 1, rtol=1e-5)
    np.testing.assert_array_equal(rows.zero[at], x == 0)
    y = dense(task.reference, [task.targets[1]])[:, 0]
    np.testing.assert_allclose(rows.target_profiles[1], 2 * y / y.max() - 1, rtol=1e-5)
    assert (rows.maps[task.visible.index("ACTB")] == -1).all()  # zero in space
    assert (rows.profiles[task.visible.index("Gene0")] == -1).all()  # zero in the reference


def test_principal_components_keep_the_angles_between_genes():
    profiles = np.random.default_rng(0).normal(size=(12, 40))
    scores = principal_components(profiles)
    centred = profiles - profiles.mean(axis=0)
    gram = centred @ centred.T
    np.testing.assert_allclose(
        scores @ scores.T / np.trace(scores @ scores.T), gram / np.trace(gram), atol=1e-9
    )
    assert np.square(scores).mean() == pytest.approx(1)
    assert (principal_components(np.ones((3, 5))) == 0).all()


@pytest.mark.parametrize("objective", ["x0", "eps"])
def test_loss_by_hand(make_task, objective):
    task, _ = make_task()
    made = learner(task, objective=objective, rho=0.3, rho_zero=0.1)
    genes, state = torch.arange(10), made.generator.get_state()
    loss = made.loss(genes)
    made.generator.set_state(state)
    time = torch.randint(50, (1, 10), generator=made.generator)
    noise = torch.randn((1, 10, 70), generator=made.generator)
    chance = torch.rand((1, 10, 70), generator=made.generator)
    maps, zero = made.genes.maps[None, :10], made.genes.zero[None, :10]
    noised = torch.where(zero, chance < 0.1, chance < 0.3)
    share = made.diffusion.alpha_bar[time][..., None]
    noisy = torch.where(noised, share.sqrt() * maps + (1 - share).sqrt() * noise, maps)
    error = made.net(noisy, made.genes.profiles[None, :10], time) - (noise if objective == "eps" else maps)
    squared, size = error[noised & ~zero].square(), error[noised & zero].abs()
    huber = torch.where(size < 1, size**2 / 2, size - 0.5)
    torch.testing.assert_close(loss, squared.mean() + huber.mean())
    assert 0.2 < noised[~zero].float().mean() < 0.4
    assert noised[zero].float().mean() < 0.2


def test_maps_without_zeros_have_a_loss(make_task):
    def full(cells, spots, genes):
        spots += 1

    task, _ = make_task(edit=full)
    made = learner(task)
    assert not made.genes.zero.any()
    assert torch.isfinite(made.loss(torch.arange(10)))


def test_a_fresh_transformer_answers_half_the_expected_maximum(make_task):
    task, _ = make_task()
    answer = SpaDiTLearner(TINY, task, Context()).predict()
    np.testing.assert_allclose(answer, np.tile(target_maxima(task) / 2, (70, 1)))


def test_genes_know_no_order_and_the_mlp_knows_no_company(make_task):
    task, _ = make_task()
    noisy, order = torch.randn(1, 6, 70), [4, 2, 0, 5, 1, 3]
    for network in ("dit", "mlp"):
        made = learner(task, network=network)
        profiles, time = made.genes.profiles[None, :6], torch.tensor([[20]])
        full = made.estimate(noisy, profiles, time)
        torch.testing.assert_close(made.estimate(noisy[:, order], profiles[:, order], time), full[:, order])
        difference = (made.estimate(noisy[:, :3], profiles[:, :3], time) - full[:, :3]).abs().max()
        assert (difference > 1e-3) == (network == "dit")


def test_mlp_has_the_published_widths():
    widths = [
        layer.out_features for layer in GeneMLP(300, 50, 256).hourglass if hasattr(layer, "out_features")
    ]
    assert widths == [512, 256, 128, 128, 256, 512, 300]


def test_context_is_train_genes_noised_to_the_time_of_the_targets(make_task):
    task, _ = make_task()
    made, seen = learner(task, context_genes=5), []
    made.net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs))
    assert made.predict().shape == (70, 4)
    noisy, profiles, time = seen[-1]  # time 0: almost clean
    assert noisy.shape == (2, 9, 70)
    assert time.item() == 0
    for gene in range(4, 9):
        (at,) = (profiles[0, gene] == made.genes.profiles).all(dim=1).nonzero()[0]
        assert torch.corrcoef(torch.stack((noisy[0, gene], made.genes.maps[at])))[0, 1] > 0.98


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"network": "mlp"},
        {"objective": "eps"},
        {"rho": 0.3, "rho_zero": 0.1},
        {"sc_reduce": "pca100"},
        {"context_genes": 5},
        {"context_genes": 999},
        {"sampler": "ddim"},
        {"n_samples": 1},
    ],
)
def test_switches_change_the_prediction(make_task, changes):
    task, _ = make_task()
    plain = replace(TINY, lr=0.01).predict(task, Context(seed=0))
    switched = replace(TINY, lr=0.01, **changes)
    answer = switched.predict(task, Context(seed=0))
    assert answer.shape == (70, 4)
    assert np.isfinite(answer).all()
    assert np.array_equal(answer, plain) == (not changes)  # the same seed, the same bits
    assert not np.array_equal(switched.predict(task, Context(seed=1)), answer)


def test_a_check_changes_nothing(make_task):
    task, _ = make_task()
    alone, checked = (SpaDiTLearner(TINY, task, Context()) for _ in range(2))
    for _ in range(2):
        alone.update(), checked.update()
        checked.check()
    np.testing.assert_array_equal(alone.predict(), checked.predict())


def test_learns(make_task):
    """Maps are mixtures of five types, and profiles tell in which types a gene is."""
    task, truth = make_task(n_cells=200, n_spots=150, n_visible=60)
    method = SpaDiT(
        hidden=32, depth=2, heads=4, lr=1e-3, max_updates=200, check_every=20, sampling_steps=10, n_samples=4
    )
    assert mean_pearson(truth, method.predict(task, Context())) > 0.5


def test_memory_grows_with_the_network():
    shape = Shape(1000, 1000, 200, 20, 2000)
    assert SpaDiT().memory_bytes(shape) > 24 * 75e6
    assert SpaDiT(**SpaDiT.presets["cpu"]).memory_bytes(shape) < 0.3 * SpaDiT().memory_bytes(shape)
