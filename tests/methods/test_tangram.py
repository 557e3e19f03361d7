import logging
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from stbench.errors import StbenchError
from stbench.methods import REGISTRY, Context
from stbench.tables import dense
from stbench.toolbox.sandbox import no_traces

pytestmark = pytest.mark.skipif(find_spec("tangram") is None, reason="tangram-sc is not installed")
METHOD = REGISTRY.get("tangram")


@pytest.mark.parametrize("density_prior", ["rna_count_based", "uniform"])
def test_equals_a_direct_call_of_the_package(make_task, density_prior):
    task, _ = make_task()
    tables = []
    for table, genes in ((task.reference, task.visible + task.targets), (task.spatial, task.visible)):
        names = ["second_actb" if gene == "ACTB" else gene for gene in genes]
        tables.append(AnnData(csr_matrix(dense(table, genes, "counts", dtype="float32"))))
        tables[-1].var_names = names
    with no_traces("cpu"):
        import tangram

        tangram.pp_adatas(*tables, genes=list(tables[1].var_names), gene_to_lowercase=False)
        mapping = tangram.map_cells_to_space(
            *tables, num_epochs=40, density_prior=density_prior, random_state=4, verbose=False
        )
        projected = tangram.project_genes(mapping, tables[0]).to_df()
    depth = projected[[gene.lower() for gene in tables[1].var_names]].sum(axis=1)
    scale = np.median(np.asarray(tables[1].X.sum(axis=1))) / depth.mean()
    expected = np.log1p(scale * projected[[gene.lower() for gene in task.targets]])

    ours = METHOD(num_epochs=40, density_prior=density_prior).predict(task, Context(seed=3))
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_clusters_mode_equals_a_direct_call_of_the_package(make_task):
    task, _ = make_task()
    task.reference.obs["cell_type"] = np.random.default_rng(0).choice(["b", "a", "c"], task.reference.n_obs)
    tables = []
    for table, genes in ((task.reference, task.visible + task.targets), (task.spatial, task.visible)):
        tables.append(AnnData(csr_matrix(dense(table, genes, "counts", dtype="float32"))))
        tables[-1].var_names = [f"g{i}" for i in range(len(genes))]
    tables[0].obs["cell_type"] = task.reference.obs["cell_type"].to_numpy()
    with no_traces("cpu"):
        import tangram

        names = list(tables[1].var_names)
        tangram.pp_adatas(*tables, genes=names, gene_to_lowercase=False)
        mapping = tangram.map_cells_to_space(
            *tables, names, cluster_label="cell_type", mode="clusters", num_epochs=40, random_state=4,
            verbose=False,
        )  # fmt: skip
        projected = tangram.project_genes(mapping, tables[0], cluster_label="cell_type").to_df()
    scale = np.median(np.asarray(tables[1].X.sum(axis=1))) / projected[names].sum(axis=1).mean()
    wanted = [f"g{i}" for i in range(len(names), len(names) + len(task.targets))]

    ours = METHOD(mode="clusters", num_epochs=40).predict(task, Context(seed=3))
    np.testing.assert_allclose(ours, np.log1p(scale * projected[wanted]), rtol=1e-4)


def test_the_mode_for_large_data_agrees_with_the_full_one_without_labels(make_task):
    from stbench.methods import Shape
    from stbench.toolbox.tuning import mean_pearson

    xenium = Shape(cells=30_000, spots=300_000, visible=360, targets=40, reference_genes=5000)
    assert METHOD().memory_bytes(xenium) > 10**11
    small = METHOD(num_epochs=200).within(xenium, 10**10)
    assert small.memory_bytes(xenium) < 10**10
    task, truth = make_task(n_cells=300, n_spots=100)
    full, scaled, again = (m.predict(task, Context()) for m in (METHOD(num_epochs=200), small, small))
    np.testing.assert_array_equal(scaled, again)
    assert mean_pearson(full, scaled) > 0.8
    assert mean_pearson(truth, scaled) > mean_pearson(truth, full) - 0.1


def test_gets_better_and_reports_every_step(make_task):
    task, truth = make_task(n_cells=150, n_spots=100)
    steps = []
    ctx = Context(progress=lambda done, total, **info: steps.append((done, total)))
    score = {}
    for num_epochs in (1, 100):
        values = METHOD(num_epochs=num_epochs).predict(task, ctx)
        score[num_epochs] = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, truth.T, strict=True)])
    assert steps == [(1, 1), *((i, 100) for i in range(1, 101))]
    assert score[100] > max(0.5, score[1] + 0.2)


def test_every_seed_seeds(make_task):
    task, _ = make_task()
    values = [METHOD(num_epochs=5).predict(task, Context(seed=seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(values[0], values[1])
    assert np.abs(values[0] - values[2]).max() > 1e-3


def test_says_what_to_install(make_task, monkeypatch):
    monkeypatch.setitem(sys.modules, "tangram", None)
    task, _ = make_task()
    with pytest.raises(StbenchError, match=r'needs tangram-sc. Install: pip install "stbench\[tangram\]"'):
        METHOD().predict(task, Context())


def test_nothing_is_printed_or_logged(make_task, capfd, caplog):
    task, _ = make_task()
    with caplog.at_level(logging.WARNING):
        METHOD(num_epochs=2).predict(task, Context())
    assert capfd.readouterr() == ("", "")


def test_memory_grows_with_cells_times_spots():
    from stbench.methods import Shape

    small, large = Shape(10_000, 5_000, 300, 30, 2000), Shape(20_000, 5_000, 300, 30, 2000)
    assert METHOD().memory_bytes(small) > 7 * 4 * 10_000 * 5_000
    assert METHOD().memory_bytes(large) == pytest.approx(2 * METHOD().memory_bytes(small), rel=0.1)
