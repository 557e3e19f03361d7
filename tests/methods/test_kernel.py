import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import multivariate_normal

from stbench.methods import REGISTRY, Context
from stbench.methods.kernel.process import (
    Covariance,
    fit,
    gene_features,
    negative_log_likelihood,
    posterior_mean,
)
from stbench.toolbox.scale import zscore


@pytest.fixture
def genes():
    """Features (30, 4) of genes, and maps (200, 30) that depend on them linearly, plus noise."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 4)) / 2
    return features, zscore(rng.normal(size=(200, 4)) @ features.T + 0.1 * rng.normal(size=(200, 30)))


def test_features_reproduce_the_correlations(make_task):
    profiles = zscore(np.random.default_rng(0).gamma(1, size=(50, 12)))
    features = gene_features(profiles, 100)
    np.testing.assert_allclose(features @ features.T, np.corrcoef(profiles.T), atol=1e-10)
    assert gene_features(profiles, 5).shape == (12, 5)


def test_likelihood_equals_the_multivariate_normal(genes):
    features, maps = genes
    parameters = np.array([0.4, 0.3, 0.8, 0.1, 0.2])
    value, _ = negative_log_likelihood(np.log(parameters), features, maps.T @ maps / len(maps))
    normal = multivariate_normal(np.zeros(30), Covariance(*parameters).observed(features))
    assert value == pytest.approx(-normal.logpdf(maps).mean() - 15 * np.log(2 * np.pi))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gradient_of_the_likelihood(genes, seed):
    features, maps = genes
    moment = maps.T @ maps / len(maps)
    start = np.random.default_rng(seed).normal(-0.5, 0.7, 5)
    error = check_grad(
        lambda p: negative_log_likelihood(p, features, moment)[0],
        lambda p: negative_log_likelihood(p, features, moment)[1],
        start,
    )
    assert error < 1e-4 * np.linalg.norm(negative_log_likelihood(start, features, moment)[1])


def test_recovers_a_planted_linear_structure(genes):
    features, maps = genes
    covariance = fit(features[:24], maps[:, :24])
    predicted = posterior_mean(covariance, features[:24], features[24:], maps[:, :24])
    pearson = [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, maps[:, 24:].T, strict=True)]
    assert min(pearson) > 0.9
    assert covariance.linear > covariance.noise
    assert covariance.noise < 0.1


def test_maps_that_are_pure_noise_predict_nothing():
    rng = np.random.default_rng(0)
    features, maps = rng.normal(size=(25, 3)), rng.normal(size=(400, 20))
    predicted = posterior_mean(fit(features[:20], maps), features[:20], features[20:], maps)
    assert predicted.std() < 0.1


def test_posterior_mean_interpolates_without_noise(genes):
    features, maps = genes
    covariance = Covariance(linear=0, rbf=1, length=0.5, constant=0, noise=1e-8)
    np.testing.assert_allclose(
        posterior_mean(covariance, features, features[:3], maps), maps[:, :3], atol=1e-4
    )


def test_a_target_like_a_visible_gene_gets_its_map(make_task):
    def edit(cells, spots, genes):
        cells[:, -1] = cells[:, 2]

    task, _ = make_task(n_cells=200, n_spots=150, edit=edit)
    values = REGISTRY.get("kernel")().predict(task, Context())
    seen = task.spatial[:, "Gene0"].X.toarray().ravel()  # column 2
    assert np.corrcoef(values[:, -1], seen)[0, 1] > 0.9
