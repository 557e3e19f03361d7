import numpy as np
import pytest
import torch

from stbench.methods import REGISTRY, Context, Prediction
from stbench.methods.causalged_kernel.attention import attend, cross_attend
from stbench.methods.causalged_kernel.process import START, Fitted, GeneFeatures, LeftOut, fit
from stbench.tables import dense
from stbench.task import Task
from stbench.toolbox.moran import morans_i, spot_graph
from stbench.toolbox.scale import zscore
from stbench.toolbox.smoothing import neighbour_means, smoothers
from stbench.toolbox.tuning import mean_pearson


@pytest.fixture
def planted():
    """Features of 30 genes over 60 cells, and maps (200, 30) that follow their profiles, plus noise."""
    rng = np.random.default_rng(0)
    loads = rng.normal(size=(4, 30))
    cells = np.exp(rng.normal(size=(60, 4)) @ loads / 3)
    maps = zscore(rng.normal(size=(200, 4)) @ loads + 0.3 * rng.normal(size=(200, 30)))
    return GeneFeatures.of(cells), maps


def kernel(features, **changes):
    """Covariance of all genes at the start values, some of them changed."""
    start = {name: torch.tensor(value[0]) for name, value in START.items()}
    return features.covariance(start | {name: torch.tensor(value) for name, value in changes.items()}).numpy()


def test_the_linear_kernel_is_the_correlation_in_the_reference():
    cells = np.random.default_rng(0).gamma(1, size=(50, 12))
    off = {"linear": 0.0, "rbf": -99.0, "constant": -99.0, "level": -99.0}
    np.testing.assert_allclose(kernel(GeneFeatures.of(cells), **off), np.corrcoef(cells.T), atol=1e-10)


def test_the_kernel_is_positive_definite(planted):
    covariance = kernel(planted[0], linear_exponent=2.5, rbf_length=-1.0)
    np.testing.assert_allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_left_out_moments_equal_those_of_leaving_genes_out(planted):
    """The closed form, smoothing and attention included, against a loop that leaves each gene out."""
    features, maps = planted
    rng = np.random.default_rng(1)
    mean = neighbour_means(rng.random((200, 2)), 5)
    attended = zscore(maps + rng.normal(size=maps.shape))
    observed = kernel(features) + 0.4 * np.eye(30)
    shares, attention = np.array([0.7, 0.3]), 0.2

    predicted = np.empty_like(maps)
    for gene in range(30):
        others = np.delete(np.arange(30), gene)
        weights = np.linalg.solve(observed[np.ix_(others, others)], observed[others, gene])
        raw = maps[:, others] @ weights + attention * attended[:, gene]
        predicted[:, gene] = 0.7 * raw + 0.3 * (mean @ raw)

    covariance, variance = LeftOut([maps, mean @ maps], [attended, mean @ attended]).moments(
        torch.tensor(observed), torch.tensor(shares), torch.tensor(attention)
    )
    np.testing.assert_allclose(covariance, (maps * predicted).mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(variance, predicted.var(axis=0), atol=1e-10)

    start = {name: torch.tensor(value[0]) for name, value in START.items()}
    start["noise"] = torch.tensor(np.log(0.4))
    fitted = Fitted(start, attention, tuple(shares), 0.8, 0.0)
    errors = fitted.errors(features, maps, attended, [lambda maps: maps, lambda maps: mean @ maps])
    np.testing.assert_allclose(errors, zscore(maps - 0.8 * predicted), atol=1e-10)


def test_fit_recovers_a_planted_structure(planted):
    features, maps = planted
    noise = np.random.default_rng(2).normal(size=(200, 24))
    fitted = fit(features.rows(np.arange(24)), [maps[:, :24]], [zscore(noise)])
    assert mean_pearson(maps[:, 24:], maps[:, :24] @ fitted.gene_weights(features, 24)) > 0.85
    assert fitted.correlation > 0.85
    assert fitted.attention < 0.05  # noise gets no weight


def test_fit_uses_attention_where_the_process_knows_nothing():
    rng = np.random.default_rng(0)
    features = GeneFeatures.of(rng.gamma(1, size=(50, 20)))
    maps = zscore(rng.normal(size=(300, 20)))
    fitted = fit(features, [maps], [zscore(maps + rng.normal(size=maps.shape))])
    assert fitted.attention > 0.1
    assert fitted.correlation > 0.6  # 0.71 is what such attention alone has


def test_fit_smooths_noisy_maps_of_a_smooth_tissue():
    rng = np.random.default_rng(0)
    place, loads = rng.random((400, 2)), rng.normal(size=(2, 20))
    smooth = np.sin(3 * place) @ loads
    maps = zscore(smooth + 2 * rng.normal(size=smooth.shape))
    mean, noise = neighbour_means(place, 12), np.zeros_like(maps)
    features = GeneFeatures.of(np.exp(rng.normal(size=(80, 2)) @ loads))
    assert fit(features, [maps, mean @ maps], [noise, noise]).shares[1] > 0.3


def test_attention_finds_the_cell_that_a_spot_is(make_task):
    """Cold attention to a reference that holds the spots themselves answers with their own values."""
    task, _ = make_task(n_spots=90)
    same = task.spatial.copy()
    same.X = task.reference[:, task.visible].X
    task = Task(task.reference, same, task.targets)
    maps = attend(task, task.varying_genes(), 0.002)
    np.testing.assert_allclose(maps, zscore(dense(task.reference, task.targets)), atol=0.05)


def test_attention_in_blocks_is_attention_at_once(make_task, monkeypatch):
    task, _ = make_task()
    whole = attend(task, task.varying_genes(), 0.1)
    monkeypatch.setattr("stbench.methods.causalged_kernel.attention.BLOCK", 16)
    np.testing.assert_allclose(attend(task, task.varying_genes(), 0.1), whole, atol=1e-12)


def test_cross_attention_never_sees_the_gene_itself(make_task):
    task, _ = make_task()
    genes = task.varying_genes()
    before = cross_attend(task, genes, 0.1, len(genes), 0)
    spoiled = task.spatial.copy()
    values = spoiled.X.toarray()
    values[:, 0] = np.random.default_rng(0).random(len(values))
    spoiled.X = values
    after = cross_attend(Task(task.reference, spoiled, task.targets, "intensity"), genes, 0.1, len(genes), 0)
    plain = cross_attend(
        Task(task.reference, task.spatial, task.targets, "intensity"), genes, 0.1, len(genes), 0
    )
    np.testing.assert_array_equal(after[:, 0], plain[:, 0])
    assert not np.allclose(after[:, 1], plain[:, 1])
    assert before.shape == plain.shape


def test_neighbour_means_by_hand():
    mean = neighbour_means(np.array([[0.0, 0], [1, 0], [3, 0], [3.5, 0]]), 2).toarray()
    expected = [[0, 0.5, 0.5, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0.5, 0.5, 0]]
    np.testing.assert_array_equal(mean, expected)


def test_neighbour_means_where_many_spots_share_a_place():
    mean = neighbour_means(np.zeros((9, 2)), 3).toarray()
    np.testing.assert_allclose(mean.sum(axis=1), 1)
    assert (np.diag(mean) == 0).all()


def test_no_coordinates_no_smoothing(make_task):
    task, _ = make_task()
    assert len(smoothers(task, (6, 30))) == 3
    del task.spatial.obsm["spatial"]
    (identity,) = smoothers(task, (6, 30))
    np.testing.assert_array_equal(identity(np.arange(3.0)), np.arange(3.0))


def test_predicts_a_simulated_tissue_with_intervals(make_task):
    task, truth = make_task(n_cells=200, n_spots=150)
    answer = REGISTRY.get("causalged-kernel")().predict(task, Context())
    assert isinstance(answer, Prediction)
    assert answer.level == 0.9
    assert mean_pearson(truth, answer.mean) > 0.6
    assert (answer.lower >= 0).all()
    assert (answer.lower <= answer.upper).all()
    few = REGISTRY.get("causalged-kernel")(level=None, fit_genes=12).predict(task, Context())
    assert mean_pearson(truth, few) > 0.6  # fitted on few genes, predicted from all
    assert not np.allclose(few, answer.mean)
    part = REGISTRY.get("causalged-kernel")(fit_spots=100).predict(task, Context())
    assert part.mean.shape == truth.shape
    assert mean_pearson(answer.mean, part.mean) > 0.98  # fitted on some tiles, predicted everywhere
    assert np.mean((part.lower <= truth) & (truth <= part.upper)) > 0.7
    alone = REGISTRY.get("causalged-kernel")(level=None).predict(task, Context())
    np.testing.assert_array_equal(alone, answer.mean)


def test_intervals_cost_no_further_fit(make_task, monkeypatch):
    fits = []
    monkeypatch.setattr(
        "stbench.methods.causalged_kernel.process.fit", lambda *given: fits.append(1) or fit(*given)
    )
    REGISTRY.get("causalged-kernel")().predict(make_task()[0], Context())
    assert len(fits) == 1


def test_the_kernel_is_fitted_on_the_features_of_the_prediction(make_task, monkeypatch):
    """Those of all genes, also where it is fitted on few of them."""
    task, _ = make_task()
    given = []
    monkeypatch.setattr(
        "stbench.methods.causalged_kernel.process.fit", lambda *parts: given.append(parts[0]) or fit(*parts)
    )
    REGISTRY.get("causalged-kernel")(level=None, fit_genes=12).predict(task, Context())
    expected = GeneFeatures.of(dense(task.reference, task.varying_genes() + task.targets))
    np.testing.assert_array_equal(given[0].variances, expected.variances)
    assert len(given[0].axes) == 12


def test_a_draw_is_as_grainy_as_the_truth_and_the_mean_of_draws_is_the_prediction(make_task):
    task, truth = make_task(n_cells=200, n_spots=300)
    weights = spot_graph(task.coordinates())

    def moran(maps):
        return morans_i(zscore(maps), weights).mean()

    method = REGISTRY.get("causalged-kernel")
    mean = method(level=None).predict(task, Context())
    draws = [method(texture=True).predict(task, Context(seed=seed)) for seed in range(12)]
    assert abs(moran(draws[0]) - moran(truth)) < abs(moran(mean) - moran(truth)) / 2
    assert mean_pearson(truth, draws[0]) < mean_pearson(truth, np.mean(draws, axis=0))
    assert mean_pearson(mean, np.mean(draws, axis=0)) > 0.9
    assert not np.allclose(draws[0], draws[1])
