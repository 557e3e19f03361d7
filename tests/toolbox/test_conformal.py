import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from stbench.errors import StbenchError
from stbench.methods import REGISTRY, Context
from stbench.metrics.coverage import coverage
from stbench.tables import dense
from stbench.task import Task
from stbench.toolbox.conformal import conformal, gene_folds


def make_task(values, n_visible):
    """A task of intensities whose reference is ``values`` as well, (n_spots, n_genes), and its truth."""
    genes = [f"G{i}" for i in range(values.shape[1])]
    table = AnnData(sparse.csr_matrix(values), var=pd.DataFrame(index=genes))
    space = table[:, genes[:n_visible]].copy()
    space.var["split"] = ["val" if i % 4 == 0 else "train" for i in range(n_visible)]
    return Task(table, space, genes[n_visible:], "intensity"), values[:, n_visible:]


def test_cover_what_they_promise():
    """Genes with errors of one law: nine in ten values of the targets are inside."""
    rng = np.random.default_rng(0)
    task, truth = make_task(5 + rng.gamma(2, size=(200, 140)), 100)
    answer = conformal(task, lambda inner: np.full((200, len(inner.targets)), 7.0))
    assert coverage(truth, answer).mean() == pytest.approx(0.9, abs=0.02)
    assert answer.lower.min() == answer.lower.max()  # one prediction, one interval
    np.testing.assert_array_equal(answer.mean, 7)


def test_follow_the_size_of_the_errors():
    """Errors that grow with the prediction: wide intervals there, and cover in both parts."""
    rng = np.random.default_rng(0)
    signal = np.linspace(1, 10, 140)[rng.permutation(140)]
    values = np.abs(signal + 0.2 * signal * rng.normal(size=(300, 140)))
    task, truth = make_task(values, 100)
    by_name = {f"G{i}": value for i, value in enumerate(signal)}
    answer = conformal(task, lambda inner: np.tile([by_name[g] for g in inner.targets], (300, 1)))
    low = signal[100:] < 5
    width = (answer.upper - answer.lower).mean(axis=0)
    assert width[~low].mean() > 2 * width[low].mean()
    for part in (low, ~low):
        inside = (truth >= answer.lower) & (truth <= answer.upper)
        assert inside[:, part].mean() == pytest.approx(0.9, abs=0.03)


def test_the_method_never_sees_the_genes_it_is_judged_on():
    task, _ = make_task(np.random.default_rng(0).random((30, 24)), 20)
    seen = []

    def predict(inner):
        seen.append((set(inner.visible), set(inner.targets)))
        return dense(inner.reference, inner.targets)

    conformal(task, predict, n_folds=4)
    assert len(seen) == 5
    assert all(not visible & targets for visible, targets in seen)
    assert sorted(gene for _, targets in seen[:4] for gene in targets) == sorted(task.visible)
    assert seen[4] == (set(task.visible), set(task.targets))


def test_bounds_hold_the_mean_and_are_not_negative():
    rng = np.random.default_rng(0)
    task, _ = make_task(rng.poisson(0.5, size=(50, 30)).astype(float), 24)
    answer = conformal(task, lambda inner: dense(inner.reference, inner.targets) + 3)  # far too high
    assert (answer.lower >= 0).all()
    assert (answer.lower <= answer.mean).all()
    assert (answer.mean <= answer.upper).all()


@pytest.mark.parametrize("name", ["spage", "ridge", "mean"])
def test_any_method_gets_intervals(name):
    rng = np.random.default_rng(0)
    task, truth = make_task(np.exp(rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40)) / 2), 30)
    method = REGISTRY.get(name)()
    answer = conformal(task, lambda inner: method.predict(inner, Context()))
    assert 0.6 < coverage(truth, answer).mean() <= 1
    np.testing.assert_array_equal(answer.mean, method.predict(task, Context()))


def test_folds_hold_every_gene_once_whatever_their_order():
    genes = [f"G{i}" for i in range(13)]
    folds = gene_folds(genes, 5, seed=1)
    assert folds == gene_folds(genes[::-1], 5, seed=1)
    assert sorted(gene for fold in folds for gene in fold) == sorted(genes)
    assert [len(fold) for fold in folds] == [3, 3, 3, 2, 2]
    assert len(gene_folds(["a", "b", "c"], 10, 0)) == 3


@pytest.mark.parametrize("level", [0, 1, 90])
def test_a_level_that_is_none(level):
    task, _ = make_task(np.random.default_rng(0).random((9, 9)), 6)
    with pytest.raises(StbenchError, match="between 0 and 1"):
        conformal(task, lambda inner: dense(inner.reference, inner.targets), level=level)


def test_wants_genes():
    with pytest.raises(StbenchError, match="at least two"):
        gene_folds(["a"], 5, 0)
