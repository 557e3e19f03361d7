"""CausalGeD part by part: Algorithms 1 and 2, the networks, the training."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from stbench.methods import Context, Task
from stbench.methods.causalged import CausalGeD
from stbench.methods.causalged.learner import CausalGeDLearner
from stbench.methods.causalged.mask import (
    CLEAN,
    CONDITION,
    NOISY,
    causal_mask,
    draw_step_sizes,
    step_weights,
)
from stbench.methods.causalged.model import CausalGeDNet, Posterior, Standardiser, gene_rows, initialise
from stbench.methods.causalged.sample import read_context
from stbench.toolbox.nn.learner import DiffusionLearner, build, loss_by_zeros

SMALL = CausalGeD(
    hidden=16, latent=8, width=16, depth=2, heads=2, pretrain_steps=0, batch=2, seq_genes=9, warmup=1, lr=1e-2
)


def layout(n_condition: int, sizes: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Kind and step of every token of a training sequence whose genes stand in the order of their steps."""
    steps = [i for i, size in enumerate(sizes) for _ in range(size)]
    n_clean = len(steps) - sizes[-1]
    kind = [CONDITION] * n_condition + [CLEAN] * n_clean + [NOISY] * len(steps)
    return torch.tensor(kind), torch.tensor([0] * n_condition + steps[:n_clean] + steps)


def mask_by_loops(n_condition: int, sizes: list[int]) -> np.ndarray:
    """Algorithm 2 written out: rows are filled region by region, from the sizes of the steps."""
    total, last = sum(sizes), sizes[-1]
    n_clean = total - last
    length = n_condition + n_clean + total
    seen = np.zeros((length, length), dtype=bool)
    for query in range(length):
        seen[query, :n_condition] = True
    start = 0
    for size in sizes:
        end = start + size
        for gene in range(start, end):
            noisy = n_condition + n_clean + gene
            seen[noisy, n_condition : n_condition + start] = True
            seen[noisy, n_condition + n_clean + start : n_condition + n_clean + end] = True
            if gene < n_clean:
                seen[n_condition + gene, n_condition : n_condition + end] = True
        start = end
    return seen


def test_mask_of_the_figure():
    """Two condition tokens and seven genes in steps of 2, 2 and 3 (Fig. 10)."""
    expected = """
        11 0000 0000000
        11 0000 0000000
        11 1100 0000000
        11 1100 0000000
        11 1111 0000000
        11 1111 0000000
        11 0000 1100000
        11 0000 1100000
        11 1100 0011000
        11 1100 0011000
        11 1111 0000111
        11 1111 0000111
        11 1111 0000111
    """
    rows = ["".join(line.split()) for line in expected.strip().splitlines()]
    wanted = np.array([[c == "1" for c in row] for row in rows])
    assert wanted.shape == (13, 13)
    np.testing.assert_array_equal(causal_mask(*layout(2, [2, 2, 3])).numpy(), wanted)


def test_mask_equals_algorithm_2_on_random_cases():
    rng = np.random.default_rng(0)
    for _ in range(300):
        n_condition, n_genes = int(rng.integers(0, 6)), int(rng.integers(1, 20))
        sizes = draw_step_sizes(n_genes, decay=float(rng.uniform(0.3, 1)), rng=rng).tolist()
        mask = causal_mask(*layout(n_condition, sizes)).numpy()
        np.testing.assert_array_equal(mask, mask_by_loops(n_condition, sizes))


def test_mask_takes_a_step_per_sequence():
    kind, first = layout(1, [1, 2])
    _, second = layout(1, [2, 1])
    kind = torch.tensor([CONDITION, NOISY, NOISY, NOISY])
    steps = torch.stack((first[[0, -3, -2, -1]], second[[0, -3, -2, -1]]))
    both = causal_mask(kind, steps)
    assert both.shape == (2, 4, 4)
    assert_close(both[0], causal_mask(kind, steps[0]))
    assert_close(both[1], causal_mask(kind, steps[1]))


@pytest.mark.parametrize("decay", [0.7, 1.0])
def test_number_of_steps_follows_algorithm_1(decay):
    rng = np.random.default_rng(0)
    n_genes, n_draws = 6, 20_000
    draws = [draw_step_sizes(n_genes, decay, rng) for _ in range(n_draws)]
    assert all(sizes.sum() == n_genes and (sizes > 0).all() for sizes in draws)
    observed = np.bincount([len(sizes) for sizes in draws], minlength=n_genes + 1)[1:] / n_draws
    expected = decay ** np.arange(n_genes) / (decay ** np.arange(n_genes)).sum()
    np.testing.assert_allclose(observed, expected, atol=0.012)  # more than 3 standard errors
    first = np.bincount([sizes[0] for sizes in draws if len(sizes) == 2], minlength=n_genes)[1:]
    np.testing.assert_allclose(first / first.sum(), 1 / (n_genes - 1), atol=0.03)


def test_step_sizes_of_one_gene():
    assert draw_step_sizes(1, 0.8, np.random.default_rng(0)).tolist() == [1]


def test_weights_fall_from_the_largest_to_one():
    sizes = np.array([1, 1, 2, 4])
    np.testing.assert_allclose(step_weights(sizes, "linear", 2.0), [1.875, 1.75, 1.5, 1.0])
    np.testing.assert_allclose(step_weights(sizes, "cosine", 2.0)[2:], [1.5, 1.0])
    np.testing.assert_allclose(step_weights(sizes, "none", 2.0), 1.0)


def test_time_grid_is_the_multiples_of_n():
    learner = trained(replace(SMALL, t_sampling="1/4", timesteps=40), n_updates=0)
    assert learner.diffusion.times.tolist() == list(range(0, 40, 4))
    assert trained(replace(SMALL, timesteps=5), n_updates=0).diffusion.times.tolist() == [0, 1, 2, 3, 4]


def small_task(n_visible=9, n_targets=4, n_spots=12, n_cells=15) -> Task:
    rng = np.random.default_rng(0)
    names = [f"g{i}" for i in range(n_visible + n_targets)]
    reference, spatial = (
        AnnData(rng.uniform(size=shape).astype(np.float32), var=pd.DataFrame(index=genes))
        for shape, genes in (((n_cells, len(names)), names), ((n_spots, n_visible), names[:n_visible]))
    )
    return Task(reference, spatial, names[n_visible:], units="intensity")


def trained(settings: CausalGeD = SMALL, n_updates: int = 5) -> CausalGeDLearner:
    """After a few updates, so that the output layer, which starts at zero, says something."""
    learner = CausalGeDLearner(settings, small_task(), Context())
    for _ in range(n_updates):
        learner.update()
    return learner


def test_a_new_model_predicts_zero_whatever_the_noise():
    cat = build(lambda: CausalGeDNet(12, 15, SMALL), Context(), initialise).cat
    assert torch.equal(
        cat.read(torch.randn(3, 16, generator=torch.Generator().manual_seed(0))), torch.zeros(3, 8)
    )


def test_cached_outputs_equal_those_of_the_whole_sequence():
    """Training's masked pass over [condition | clean | noisy] against sampling's cache, in fp32."""
    cat = trained().net.cat
    n_known, n_targets = 9, 4
    noise = torch.Generator().manual_seed(1)
    context, known, targets, latents = (
        torch.randn(n, 8, generator=noise) for n in (n_known, n_known, n_targets, n_targets)
    )
    time = torch.tensor([700])
    profiles = torch.cat((known, targets))
    whole = torch.cat(
        (
            cat.condition_tokens(profiles),
            cat.clean_tokens(context, known),
            cat.noisy_tokens(torch.cat((context, latents)), profiles, time),
        )
    )[None]
    kind, step = layout(n_known + n_targets, [n_known, n_targets])
    hidden, _ = cat(whole, causal_mask(kind, step))
    expected = cat.read(hidden[:, -n_targets:])

    cache = read_context(cat, context, known, targets, SMALL)
    hidden, _ = cat(cat.noisy_tokens(latents, targets, time)[None], past=cache)
    assert expected.abs().mean() > 0.01
    assert_close(cat.read(hidden), expected, atol=1e-5, rtol=0)


def test_finished_genes_join_the_cache_as_clean_tokens():
    """Two steps of targets through the cache equal one masked pass with the finished genes clean."""
    cat = trained().net.cat
    noise = torch.Generator().manual_seed(1)
    context, known = torch.randn(2, 9, 8, generator=noise)
    first, second = torch.randn(2, 2, 8, generator=noise), torch.randn(2, 2, 8, generator=noise)
    time = torch.tensor([300])
    targets = torch.cat((first[1], second[1]))
    cache = read_context(cat, context, known, targets, SMALL)
    _, cache = cat(cat.clean_tokens(first[0], first[1])[None], past=cache)
    hidden, _ = cat(cat.noisy_tokens(second[0], second[1], time)[None], past=cache)

    profiles = torch.cat((known, targets))
    values = torch.cat((context, first[0], second[0]))
    whole = torch.cat(
        (
            cat.condition_tokens(profiles),
            cat.clean_tokens(values[:11], profiles[:11]),
            cat.noisy_tokens(values, profiles, time),
        )
    )[None]
    expected, _ = cat(whole, causal_mask(*layout(13, [9, 2, 2])))
    assert_close(cat.read(hidden), cat.read(expected[:, -2:]), atol=1e-5, rtol=0)


def test_the_order_of_genes_does_not_matter():
    cat = trained().net.cat
    generator = torch.Generator().manual_seed(1)
    context, known = torch.randn(2, 9, 8, generator=generator)
    latents, targets = torch.randn(2, 4, 8, generator=generator)

    def output(known_order, target_order):
        cache = read_context(cat, context[known_order], known[known_order], targets[target_order], SMALL)
        tokens = cat.noisy_tokens(latents[target_order], targets[target_order], torch.tensor([50]))
        return cat.read(cat(tokens[None], past=cache)[0])[0]

    plain = output(torch.arange(9), torch.arange(4))
    order = torch.tensor([2, 0, 3, 1])
    permuted = output(torch.randperm(9, generator=generator), order)
    assert_close(permuted, plain[order], atol=1e-5, rtol=0)


def test_a_gene_does_not_see_the_later_steps_in_training():
    """The prediction of a noisy token does not move when clean or noisy latents of later steps do."""
    cat = trained().net.cat
    profiles, values = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(1))
    kind, step = layout(6, [2, 2, 2])

    def output(values):
        parts = (
            cat.condition_tokens(profiles),
            cat.clean_tokens(values[:4], profiles[:4]),
            cat.noisy_tokens(values, profiles, torch.tensor([50])),
        )
        return cat.read(cat(torch.cat(parts)[None], causal_mask(kind, step))[0][:, -6:])[0]

    changed = values.clone()
    changed[2:] += 1
    before, after = output(values), output(changed)
    assert torch.equal(before[:2], after[:2])
    assert not torch.equal(before[4:], after[4:])


def test_the_average_follows_the_weights():
    learner = trained(n_updates=0)
    start = [weight.clone() for weight in learner.net.parameters()]
    learner.update()
    decay = 1 / 11  # the first of a rising series that ends at ema
    for before, weight, average in zip(
        start, learner.net.parameters(), learner.average.parameters(), strict=True
    ):
        assert_close(average, decay * before + (1 - decay) * weight.detach())
    learner.done = 10**6
    averages = [average.clone() for average in learner.average.parameters()]
    learner.move_average()
    for before, weight, average in zip(
        averages, learner.net.parameters(), learner.average.parameters(), strict=True
    ):
        assert_close(average, 0.999 * before + 0.001 * weight.detach())


def test_a_frozen_decoder_stays_as_pretrained():
    pretrained = trained(replace(SMALL, pretrain_steps=2), n_updates=0)
    DiffusionLearner.update(pretrained), DiffusionLearner.update(pretrained)
    frozen = trained(replace(SMALL, pretrain_steps=2, decoder="pretrained_frozen"), n_updates=3)
    joint = trained(replace(SMALL, pretrain_steps=2), n_updates=3)
    for a, b, c in zip(
        *(learner.net.decoder.parameters() for learner in (pretrained, frozen, joint)), strict=True
    ):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_learning_rate_warms_up():
    learner = trained(replace(SMALL, warmup=4, lr=1e-3), n_updates=0)
    rates = []
    for _ in range(6):
        learner.update()
        rates.append(learner.adamw.param_groups[0]["lr"])
    assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3, 1e-3])


def test_denoising_does_not_train_the_encoder_of_maps():
    learner = trained()
    learner.net.zero_grad()
    latents = learner.net.encoder.of_maps(learner.rows.maps).mean.detach()
    learner.diffusion_loss(latents, learner.net.encoder.of_profiles(learner.rows.profiles)).backward()
    assert learner.net.encoder.map_head.weight.grad is None
    assert learner.net.encoder.profile_head.weight.grad.abs().sum() > 0
    assert learner.net.decoder[0].weight.grad is None


def test_checking_changes_nothing():
    learner, other = trained(), trained()
    first = learner.check()
    assert first.shape == (12, 4)
    np.testing.assert_array_equal(learner.check(), first)
    assert torch.equal(learner.update(), other.update())


def test_loss_by_zeros_by_hand():
    maps = torch.tensor([[0.0, 0.0, 0.5, 1.0]])
    decoded = torch.tensor([[0.2, 0.4, 0.5, 0.6]])
    expected = (0 + 0.16) / 2 + 0.5 * (0.04 + 0.16) / 2
    zeros, ones = torch.zeros_like(maps), torch.ones_like(maps)
    assert loss_by_zeros(decoded, maps, maps == 0).item() == pytest.approx(expected)
    assert loss_by_zeros(decoded, zeros, zeros == 0).item() == pytest.approx(0.5 * 0.81 / 4)
    assert loss_by_zeros(decoded, ones, ones == 0).item() == pytest.approx(1.41 / 4)


def test_divergence_by_hand():
    mean, logvar = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, math.log(4.0)]])
    expected = 0.5 * (1 + 1 - 1 - 0) + 0.5 * (0 + 4 - 1 - math.log(4))
    assert Posterior(mean, logvar).divergence().item() == pytest.approx(expected)
    assert Posterior(mean, None).divergence().item() == 0
    assert torch.equal(Posterior(mean, None).draw(torch.Generator()), mean)


def test_latents_are_standardised_over_genes():
    generator = torch.Generator().manual_seed(0)
    mean = 3 + 2 * torch.randn(5000, 2, generator=generator)
    mean[:, 1] = 7.0  # a dimension that the encoder does not use
    posterior = Posterior(mean, torch.zeros(5000, 2))
    scale = Standardiser(2)
    scale.fit(posterior)
    draws = scale(posterior.draw(generator))
    assert_close(draws.mean(dim=0), torch.zeros(2), atol=0.05, rtol=0)
    assert_close(draws.std(dim=0), torch.ones(2), atol=0.05, rtol=0)
    assert_close(scale.inverse(draws), scale.inverse(scale(scale.inverse(draws))))


def test_samples_differ_and_their_number_is_as_asked():
    maps = trained().maps(3, 2)
    assert maps.shape == (3, 4, 12)
    assert not np.array_equal(maps[0], maps[1])
    assert ((maps >= 0) & (maps <= 1)).all()


def test_profiles_alone_are_decoded_directly():
    learner = trained(replace(SMALL, generation="direct", align_weight=1.0))
    net = learner.average
    expected = net.decoder(net.encoder.of_profiles(learner.rows.target_profiles))
    assert_close(torch.from_numpy(learner.maps(1, 1)[0]).float(), expected)


def test_rows_are_matched_by_name_and_end_at_one():
    task = small_task()
    turned = Task(task.reference[:, ::-1].copy(), task.spatial, task.targets, task.units)
    rows, other = (gene_rows(some, "cpu", "maximum") for some in (task, turned))
    assert_close(rows.maps, torch.from_numpy(task.spatial.X / task.spatial.X.max(axis=0)).T)
    assert torch.equal(rows.profiles, other.profiles)
    assert torch.equal(rows.target_profiles, other.target_profiles)
    assert_close(rows.target_profiles.amax(dim=1), torch.ones(4))
    scaled = 4 * gene_rows(task, "cpu", "zscore").target_profiles
    assert_close(scaled.mean(dim=1), torch.zeros(4), atol=1e-5, rtol=0)
    assert_close(scaled.std(dim=1, correction=0), torch.ones(4))


def denoised(settings):
    """What the CAT learns to denoise in one update, and the posterior that it comes from."""
    learner, seen = trained(replace(settings, mix=0.0, seq_genes=99), n_updates=2), []
    learner.diffusion_loss = lambda latents, profiles: seen.append(latents) or latents.sum()
    learner.loss(learner.next_batch())
    return seen[0], learner.net


def test_the_target_is_the_mean_of_the_posterior_and_no_draw():
    target, net = denoised(SMALL)
    maps = trained(replace(SMALL, mix=0.0), n_updates=0).rows.maps
    assert_close(target, net.map_scale(net.encoder.of_maps(maps).mean).detach())
    drawn, net = denoised(replace(SMALL, target="draw"))
    mean = net.map_scale(net.encoder.of_maps(maps).mean).detach()
    assert (drawn - mean).abs().max() > 0.01


def test_cells_are_dropped_in_training_and_not_in_a_prediction():
    learner = trained(replace(SMALL, cell_dropout=0.75))
    ones = torch.ones(200, 50)
    fewer = learner.with_fewer_cells(ones)
    assert set(fewer.unique().tolist()) == {0.0, 4.0}
    assert fewer.mean().item() == pytest.approx(1, abs=0.1)
    before = learner.maps(2, 2)
    learner.settings = replace(learner.settings, cell_dropout=0.0)
    assert torch.equal(learner.with_fewer_cells(ones), ones)
    np.testing.assert_array_equal(learner.maps(2, 2), before)


def test_a_mixture_of_genes_has_the_mixture_of_their_maps():
    learner = trained(replace(SMALL, mix=1.0), n_updates=0)
    maps, profiles = learner.mixed(learner.rows.maps, learner.rows.profiles)
    assert_close(maps.amax(dim=1), torch.ones(len(maps)))
    both = torch.cat((learner.rows.maps, learner.rows.profiles), dim=1)
    for gene, (map_, profile) in enumerate(zip(maps, profiles, strict=True)):
        fits = [_weight(both, gene, other, map_, profile) for other in range(len(maps))]
        assert min(fits) < 1e-4
    same = trained(replace(SMALL, mix=1e-9), n_updates=0)
    assert_close(same.mixed(same.rows.maps, same.rows.profiles)[1], same.rows.profiles)


def _weight(both, gene, other, map_, profile):
    """The error of the profile where the gene is mixed with ``other`` so that its map fits best."""
    n_spots = len(map_)
    a, b = both[gene], both[other]
    errors = [1.0]
    for weight in torch.linspace(0, 1, 2001):
        mixed = torch.lerp(a, b, weight)
        made = mixed[:n_spots] / mixed[:n_spots].amax()
        errors.append(((made - map_).abs().max() + (mixed[n_spots:] - profile).abs().max()).item())
    return min(errors) - 0.01


def test_the_prediction_follows_the_clean_maps_of_visible_genes():
    """The context is read: with other maps of the visible genes, the same network gives other targets."""
    learner = trained()
    with torch.no_grad():
        learner.average.cat.out.weight.normal_(generator=torch.Generator().manual_seed(0))  # it began at 0

    def change(settings):
        """How far the targets move when the visible genes get the maps of each other."""
        learner.settings = settings
        before = learner.maps(2, 2)
        learner.rows = replace(learner.rows, maps=learner.rows.maps.flip(0))
        return np.abs(learner.maps(2, 2) - before).max()

    without = change(replace(learner.settings, context="none"))
    assert without < 1e-6  # rounding: the scale of the latents is that of all maps
    assert change(replace(learner.settings, context="clean")) > 10 * without


def test_the_cpu_preset_stays_within_its_budget():
    """At most 1e13 operations at 2,000 cells, 1,500 spots and 300 genes, as the docstring says."""
    settings = CausalGeD(**CausalGeD.presets["cpu"])

    def operations(do) -> int:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # others go uncounted
            do()
        return counter.get_total_flops()

    def cost(n_visible, n_targets) -> float:
        task = small_task(n_visible, n_targets, n_spots=1500, n_cells=2000)
        learner = CausalGeDLearner(replace(settings, pretrain_steps=0), task, Context())
        joint = np.mean([operations(learner.update) for _ in range(4)])
        start = CausalGeDLearner(settings, task, Context())
        pretraining = operations(lambda: start.loss(start.next_batch()).backward())
        check = operations(learner.check) / settings.val_every
        return pretraining * settings.pretrain_steps + (joint + check) * settings.steps

    assert 1e12 < cost(210, 60) + cost(270, 30) < 1e13
