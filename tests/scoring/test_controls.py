import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stbench.errors import StbenchError
from stbench.metrics import REGISTRY
from stbench.scoring.controls import ceiling_scores, perfect, split_half_correlation
from stbench.scoring.scores import score
from stbench.toolbox.scale import log_normalise


def simulated(n_spots=1500, n_genes=40, n_rest=200, seed=0):
    """Poisson counts of genes of interest with their true rates, and totals over these and other genes."""
    rng = np.random.default_rng(seed)
    level = rng.gamma(1, 2, size=n_genes + n_rest)
    programme = rng.normal(size=(n_spots, 3)) @ rng.normal(size=(3, n_genes + n_rest)) / 2
    rates = level * np.exp(programme) * rng.lognormal(sigma=0.3, size=(n_spots, 1))
    counts = rng.poisson(rates)
    return sparse.csr_matrix(counts[:, :n_genes]), counts.sum(axis=1), rates[:, :n_genes], rates.sum(axis=1)


def literal_r(counts, rest, seed, draws):
    """The definition, one gene at a time, with every count split into single molecules."""
    rng = np.random.default_rng(seed)
    n_genes = counts.shape[1]
    total = np.zeros(n_genes)
    for _ in range(draws):
        table = np.column_stack([counts, rest])
        first = np.array([[(rng.random(int(value)) < 0.5).sum() for value in row] for row in table])
        halves = []
        for half in (first, table - first):
            depth = half.sum(axis=1)
            middle = np.median(depth[depth > 0])
            halves.append(np.log(middle * half / np.where(depth > 0, depth, middle)[:, None] + 1))
        for gene in range(n_genes):
            one, two = halves[0][:, gene], halves[1][:, gene]
            if np.ptp(one) > 0 and np.ptp(two) > 0:
                total[gene] += max(np.corrcoef(one, two)[0, 1], 0)
    return total / draws


def test_perfect_is_the_bound_of_every_metric():
    truth = pd.DataFrame(np.random.default_rng(0).gamma(1, size=(60, 4)), columns=list("ABCD"))
    scores = score(truth, perfect(truth))
    for name in scores:
        metric = REGISTRY.get(name)
        assert scores[name].to_numpy() == pytest.approx([metric.bounds[metric.best == "high"]] * 4, abs=1e-14)
    assert perfect(truth) is not truth


def test_ceiling_is_what_the_true_rates_attain():
    counts, totals, rates, rate_totals = simulated(n_spots=4000)
    truth = log_normalise(counts, totals).toarray()
    attained = REGISTRY.get("pcc").function(truth, log_normalise(rates, rate_totals).toarray())
    ceiling = ceiling_scores(counts, totals)
    assert attained.min() < 0.1  # from genes of noise
    assert attained.max() > 0.9  # to genes of signal
    error = ceiling["pcc"].to_numpy() - attained
    assert abs(error.mean()) < 0.025
    assert np.sqrt(np.mean(error**2)) < 0.05
    signal = attained > 0.3  # below, the root makes much of the error of r
    assert signal.sum() > 30
    assert np.sqrt(np.mean(error[signal] ** 2)) < 0.03


def test_ceiling_formulas():
    counts, totals, _, _ = simulated(n_spots=200, n_genes=10)
    r = split_half_correlation(counts, totals)
    ceiling = ceiling_scores(counts, totals)
    assert list(ceiling.columns) == ["pcc", "rmse"]
    assert ceiling["pcc"].to_numpy() == pytest.approx(np.sqrt(2 * r / (1 + r)), abs=1e-15)
    assert ceiling["rmse"].to_numpy() == pytest.approx(np.sqrt(2 - 2 * np.sqrt(2 * r / (1 + r))), abs=1e-15)


def test_agrees_with_the_literal_definition():
    counts, totals, _, _ = simulated(n_spots=300, n_genes=6, n_rest=20)
    rest = totals - counts.toarray().sum(axis=1)
    fast = np.mean([split_half_correlation(counts, totals, seed=seed) for seed in range(4)], axis=0)
    assert fast == pytest.approx(literal_r(counts.toarray(), rest, seed=9, draws=40), abs=0.02)


def test_same_seed_same_answer():
    counts, totals, _, _ = simulated(n_spots=100, n_genes=10)
    first = split_half_correlation(counts, totals, seed=3)
    assert (first == split_half_correlation(counts, totals, seed=3)).all()
    assert (first == split_half_correlation(counts.toarray().astype(np.float32), totals, seed=3)).all()
    assert not (first == split_half_correlation(counts, totals, seed=4)).all()


def test_input_is_left_alone():
    counts, totals, _, _ = simulated(n_spots=50, n_genes=5)
    before = counts.toarray(), totals.copy()
    split_half_correlation(counts, totals)
    assert (counts.toarray() == before[0]).all()
    assert (totals == before[1]).all()


def test_noise_has_no_ceiling():
    counts = np.random.default_rng(0).poisson(2.0, size=(5000, 20))
    totals = counts.sum(axis=1) + 1000
    assert split_half_correlation(counts, totals).max() < 0.05


def test_gene_constant_in_a_half_is_zero():
    counts = np.zeros((6, 3), dtype=int)
    counts[0, 1] = 1  # one molecule: one of the halves is empty
    counts[:, 2] = [0, 400, 0, 400, 0, 400]
    r = split_half_correlation(counts, counts.sum(axis=1) + 1000)
    assert (r[:2] == 0).all()
    assert r[2] > 0.95


def test_only_gene_at_its_own_depth_is_constant():
    # one gene and nothing else: every spot that is not empty normalises to the same value, but for rounding
    counts = np.random.default_rng(0).poisson(200, size=(50, 1))
    assert split_half_correlation(counts, counts[:, 0]) == 0


def test_empty_spots():
    counts, totals, _, _ = simulated(n_spots=100, n_genes=5)
    counts = sparse.vstack([counts, sparse.csr_matrix((3, 5), dtype=counts.dtype)])
    r = split_half_correlation(counts, np.append(totals, [0, 0, 4]))
    assert np.isfinite(r).all()
    assert ((r >= 0) & (r <= 1)).all()


@pytest.mark.parametrize("value", [0.5, -1, np.nan, np.inf])
def test_values_that_are_no_counts(value):
    counts = np.array([[1, value], [2, 3]])
    with pytest.raises(StbenchError, match="the counts are not all whole numbers"):
        split_half_correlation(counts, [10, 10])


@pytest.mark.parametrize("totals", [[10, 4], [10.5, 10]])
def test_totals_that_do_not_fit(totals):
    with pytest.raises(StbenchError, match="the totals minus the counts"):
        split_half_correlation(np.array([[1, 2], [2, 3]]), totals)
