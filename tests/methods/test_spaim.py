import numpy as np
import pytest

from stbench.methods import REGISTRY, Context
from stbench.tables import dense
from stbench.toolbox.scale import along_line

torch = pytest.importorskip("torch")

from stbench.methods.spaim.network import Network, generate  # noqa: E402
from stbench.toolbox.sandbox import no_traces  # noqa: E402

DEEP, OUTER, TYPES, SPOTS, GENES = 3, 5, 4, 7, 6


@pytest.fixture
def network():
    with no_traces("cpu"):
        torch.manual_seed(0)
        return Network(TYPES, SPOTS, (DEEP, OUTER))


def layer(module, x):
    """Linear, layer normalisation, ReLU, by numpy."""
    linear, norm = module[0], module[1]
    y = x @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    y = (y - y.mean(axis=1, keepdims=True)) / np.sqrt(y.var(axis=1, keepdims=True) + norm.eps)
    return np.maximum(y, 0)


def encoded(encoder, x):
    first = layer(encoder.first, x)
    return first, layer(encoder.second, first)


def decoded(network, deep, outer):
    last = network.last
    fused = layer(network.inner, deep) + outer
    return fused @ last.weight.detach().numpy().T + last.bias.detach().numpy()


def test_the_loss_and_the_maps_equal_their_formulas(network):
    rng = np.random.default_rng(0)
    means, maps = (rng.random((GENES, n)).astype("float32") for n in (TYPES, SPOTS))
    (h1, h2), (g1, g2) = encoded(network.map_content, maps), encoded(network.map_style, maps)
    (c2, c1), (s2, s1) = encoded(network.content, means), encoded(network.style, np.ones((GENES, 1)))
    real, fake = decoded(network, h2 * g2, h1 * g1), decoded(network, c2 * s2, c1 * s1)

    def gram(g):
        return g @ g.T / g.size

    def cosine(a, b):
        return np.mean((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))

    content = ((h1 - c1) ** 2).mean() + ((h2 - c2) ** 2).mean()
    style = ((gram(g1) - gram(s1)) ** 2).mean() + ((gram(g2) - gram(s2)) ** 2).mean()
    expected = content + style + (1 - cosine(real, fake)) + (1 - cosine(real, maps))
    loss = network.loss(torch.from_numpy(means), torch.from_numpy(maps))
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(generate(network, means), fake, rtol=1e-3, atol=1e-5)


def test_predicts_the_simulated_targets_with_the_expected_means(make_task):
    def absent(cells, spots, genes):
        cells[:, -1] = 0

    task, truth = make_task(n_cells=200, n_spots=100, n_visible=40, edit=absent)
    values = REGISTRY.get("spaim")(epochs=60).predict(task, Context())
    assert (values >= 0).all()
    assert (values[:, -1] == 0).all()
    pearson = [np.corrcoef(a, b)[0, 1] for a, b in zip(values.T[:-1], truth.T[:-1], strict=True)]
    assert np.mean(pearson) > 0.4
    genes = task.varying_genes()
    tables = dense(task.reference, genes), dense(task.spatial, genes), dense(task.reference, task.targets)
    expected = along_line(*(table.mean(axis=0) for table in tables))
    np.testing.assert_allclose(values.mean(axis=0)[:-1], expected[:-1], rtol=1e-5)


def test_the_order_of_genes_has_no_effect(make_task):
    quick = REGISTRY.get("spaim")(epochs=2)
    task, _ = make_task()
    turned, _ = make_task(order=lambda names: names[::-1])
    values = quick.predict(task, Context())
    np.testing.assert_allclose(quick.predict(turned, Context())[:, ::-1], values, rtol=1e-3)
    assert not np.allclose(quick.predict(task, Context(seed=1)), values, rtol=1e-3)
