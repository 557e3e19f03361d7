import numpy as np
import pytest
from scipy.stats import spearmanr

from stbench.metrics.svg_rank import svg_rank


def morans_i(values, places):
    """Moran's I of one gene in loops: weight 1 to each of the six nearest other spots."""
    z, total = values - values.mean(), 0.0
    for spot, place in enumerate(places):
        distances = np.linalg.norm(places - place, axis=1)
        distances[spot] = np.inf
        total += z[spot] * z[np.argsort(distances)[:6]].sum()
    return len(z) / (6 * len(z)) * total / (z @ z)


@pytest.fixture(scope="module")
def tissue():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 3, (120, 2))
    pattern = np.sin(places @ rng.normal(size=(2, 7)))
    noise = rng.normal(size=(2, 120, 7))
    return places, pattern + np.arange(7) * noise[0], pattern + 1.5 * noise[1]


def test_agrees_with_loops(tissue):
    places, truth, prediction = tissue
    true, predicted = ([morans_i(gene, places) for gene in maps.T] for maps in (truth, prediction))
    assert svg_rank(truth, prediction, places) == pytest.approx(spearmanr(true, predicted).statistic)


def test_only_the_order_counts(tissue):
    places, truth, prediction = tissue
    assert svg_rank(truth, truth, places) == pytest.approx(1)
    assert svg_rank(truth, 5 - 2 * truth, places) == pytest.approx(1)  # the pattern may be upside down
    assert -1 <= svg_rank(truth, prediction, places) < 1


def test_edge_cases(tissue):
    places, truth, _ = tissue
    assert svg_rank(truth, np.ones_like(truth), places) == 0
    assert np.isnan(svg_rank(truth[:, :2], truth[:, :2], places))
    assert svg_rank(truth[:, :3], truth[:, :3], places) == pytest.approx(1)
