import numpy as np
import pytest

from stbench.metrics.clusters import cluster_ari, cluster_ari_added, clusters, domain_ari, domains, smoothed

RNG = np.random.default_rng(0)
BLOCKS = np.repeat(np.arange(8), 30)  # eight regions side by side
PLACES = np.column_stack([np.repeat(np.arange(8) * 10.0, 30), np.zeros(240)]) + RNG.uniform(0, 4, (240, 2))
LEVELS = RNG.normal(0, 3, (8, 12))


def noisy(sd):
    return LEVELS[BLOCKS] + RNG.normal(0, sd, (240, 12))


def rand_index(first, second):
    """The adjusted Rand index from the pairs of spots, in loops."""
    together = [(first[i] == first[j], second[i] == second[j]) for i in range(len(first)) for j in range(i)]
    both, a, b = sum(x and y for x, y in together), sum(x for x, _ in together), sum(y for _, y in together)
    expected = a * b / len(together)
    return (both - expected) / ((a + b) / 2 - expected)


def test_planted_blocks_are_found():
    assert rand_index(clusters(noisy(0.3)), BLOCKS) == pytest.approx(1)
    assert cluster_ari(noisy(0.3), noisy(0.3)) == pytest.approx(1)


def test_agrees_with_pairs_of_spots():
    truth, prediction = noisy(4), noisy(4)
    expected = rand_index(clusters(truth), clusters(prediction))
    assert 0.05 < expected < 0.95
    assert cluster_ari(truth, prediction) == pytest.approx(expected)
    truth, prediction, visible = truth[:, :3], prediction[:, :3], noisy(4)[:, 3:]
    tables = [np.hstack([visible, maps]) for maps in (truth, prediction)]
    expected = rand_index(*map(clusters, tables))
    assert cluster_ari_added(truth, prediction, visible) == pytest.approx(expected)
    expected = rand_index(*(domains(table, PLACES) for table in tables))
    assert domain_ari(truth, prediction, PLACES, visible) == pytest.approx(expected)


def test_neighbours_are_averaged():
    maps = noisy(1)
    z = (maps - maps.mean(axis=0)) / maps.std(axis=0)
    spot = 17
    near = np.argsort(np.linalg.norm(PLACES - PLACES[spot], axis=1))[:7]  # the spot is the nearest
    assert smoothed(maps, PLACES)[spot] == pytest.approx(z[near].mean(axis=0))
    noise = noisy(4)
    assert rand_index(domains(noise, PLACES), BLOCKS) > rand_index(clusters(noise), BLOCKS)


def test_the_same_answer_every_time_for_any_scale_and_offset():
    truth, prediction = noisy(4), noisy(4)
    expected = cluster_ari(truth, prediction)
    assert cluster_ari(truth, prediction) == expected
    assert cluster_ari(truth * 1e-6 + 5, prediction * 1e6) == pytest.approx(expected)


def test_constant_predictions_add_nothing():
    truth, visible, nothing = noisy(4), noisy(4), np.full((240, 12), 2.0)
    assert cluster_ari(truth, nothing) == 0
    alone = rand_index(clusters(np.hstack([visible, truth])), clusters(visible))
    assert cluster_ari_added(truth, nothing, visible) == pytest.approx(alone)
    assert cluster_ari_added(truth, truth, visible) == 1


def test_few_spots_and_few_different_spots():
    assert cluster_ari(np.eye(5), np.eye(5)) == 1
    two = np.repeat([[0.0], [1.0]], 20, axis=0)
    assert len(set(clusters(two))) == 2
