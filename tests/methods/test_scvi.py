import logging
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from stbench.errors import StbenchError, Unsupported
from stbench.methods import REGISTRY, Context, Task
from stbench.methods.scvi import _batch_size
from stbench.tables import dense
from stbench.toolbox.sandbox import no_traces

pytestmark = pytest.mark.skipif(find_spec("scvi") is None, reason="scvi-tools is not installed")
METHOD = REGISTRY.get("scvi")


def test_equals_a_direct_call_of_the_package(make_task):
    task, _ = make_task(n_cells=150, n_spots=140)
    visible, everything = sorted(task.visible), sorted(task.visible + task.targets)
    with no_traces("cpu"):
        import scvi
        from scvi.external import GIMVI

        scvi.settings.seed = 3
        tables = []
        for table, genes in ((task.reference, everything), (task.spatial, visible)):
            tables.append(AnnData(csr_matrix(dense(table, genes, "counts", dtype="float32"))))
            tables[-1].var_names = genes
            GIMVI.setup_anndata(tables[-1])
        model = GIMVI(*tables)
        quiet = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False}
        model.train(5, accelerator="cpu", train_size=0.9, plan_kwargs={"lr": 5e-3}, **quiet)
        shares = model.get_imputed_values(normalized=True)[1]
        counts = model.get_imputed_values(normalized=False)[1]
    columns = [everything.index(gene) for gene in task.targets]
    depth = np.asarray(tables[1].X.sum(axis=1)).ravel()
    seen = [everything.index(gene) for gene in visible]
    np.testing.assert_allclose(counts[:, seen].sum(axis=1), depth, rtol=1e-3)

    ours = METHOD(steps=10).predict(task, Context(seed=3))  # 135 cells in training: 2 steps per epoch
    np.testing.assert_array_equal(ours, np.log1p(np.median(depth) * shares[:, columns]))


def test_checkpoints_are_those_of_one_training(make_task):
    task, _ = make_task()
    steps = []
    ctx = Context(progress=lambda done, total, **info: steps.append((done, total)))
    early, late, same = METHOD().train(task, ctx, [3, 5, 5])
    np.testing.assert_array_equal(early, METHOD().train(task, Context(), [3])[0])
    np.testing.assert_array_equal(late, same)
    assert np.abs(early - late).max() > 0
    assert steps == [(i, 5) for i in range(1, 6)]  # 90 cells: one step per epoch


def test_steps_are_chosen_on_validation_genes(make_task, monkeypatch):
    task, _ = make_task()
    seen = []

    def train(self, given, ctx, checkpoints):
        seen.append((given.targets, list(checkpoints)))
        truth = dense(task.spatial, given.targets) if given is not task else np.zeros((70, 4))
        noise = np.random.default_rng(0).normal(size=truth.shape)
        return [truth + abs(steps - 50) * noise for steps in checkpoints]

    monkeypatch.setattr(METHOD, "train", train)
    METHOD(max_steps=100).predict(task, Context())
    assert seen == [(task.validation()[0].targets, [6, 12, 25, 50, 100]), (task.targets, [50])]


def test_learns(make_task):
    task, truth = make_task(n_cells=200, n_spots=150)
    early, late = METHOD().train(task, Context(), [2, 200])
    score = [
        np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, truth.T, strict=True)])
        for values in (early, late)
    ]
    assert score[1] > max(0.4, score[0] + 0.2)


def test_batches_never_hold_a_single_row():
    assert _batch_size([128, 1000]) == 128
    assert _batch_size([129, 1000]) == 127
    assert _batch_size([143, 40]) == 127  # 129 of 143 are for training
    assert all(rows % _batch_size([257, 129]) != 1 for rows in (257, 129, 232, 117))


def test_empty_spots_are_zero(make_task):
    def edit(cells, spots, genes):
        spots[[4, 60]] = 0
        cells[:7] = 0

    task, _ = make_task(edit=edit)
    values = METHOD(steps=2).predict(task, Context())
    assert (values[[4, 60]] == 0).all()
    assert (np.delete(values, [4, 60], axis=0) > 0).all()


def test_leaves_the_settings_of_the_package(make_task, capfd):
    import scvi

    log = logging.getLogger("lightning.pytorch")
    task, _ = make_task()
    before = scvi.settings.seed, log.level
    capfd.readouterr()
    METHOD(steps=1).predict(task, Context(seed=17))
    assert (scvi.settings.seed, log.level) == before
    assert capfd.readouterr().out == ""


def test_intensities_are_unsupported(make_task):
    task, _ = make_task()
    with pytest.raises(Unsupported, match="needs counts"):
        METHOD().predict(Task(task.reference, task.spatial, task.targets, units="intensity"), Context())


def test_says_what_to_install(make_task, monkeypatch):
    monkeypatch.setitem(sys.modules, "scvi", None)
    task, _ = make_task()
    with pytest.raises(StbenchError, match=r'needs scvi-tools. Install: pip install "stbench\[scvi\]"'):
        METHOD().predict(task, Context())
