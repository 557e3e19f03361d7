import io
import logging
from contextlib import redirect_stdout

import numpy as np
import pytest

from stbench.config.variants import configure
from stbench.methods import REGISTRY, Context
from stbench.tables import dense
from stbench.toolbox.sandbox import bare_table, no_traces

pytestmark = pytest.mark.usefixtures("cellpin")
SMALL = {"n_latent": 6, "n_hidden": 32, "encoder_layers": 1}
SHORT = {"pretrain_epochs": 2, "train_epochs": 2, "precision": "32-true"}


@pytest.fixture(scope="module")
def cellpin():
    """The package, imported by the worker that runs these tests alone: it is slow."""
    return pytest.importorskip("cellpin")


def test_equals_the_calls_of_the_authors_guide(make_task, tmp_path, cellpin):
    import torch
    from torch.utils.data import DataLoader

    task, _ = make_task(n_cells=60)
    genes, everything = sorted(task.visible), sorted(task.reference.var_names)
    with no_traces("cpu"), redirect_stdout(io.StringIO()):
        torch.manual_seed(3)
        space = bare_table(dense(task.spatial, genes, "counts"), genes)
        cells = bare_table(dense(task.reference, everything, "counts"), everything)
        sc_ds, st_ds = cellpin.pp.setup_data(cells, space)
        model = cellpin.CellPin(sc_ds, config=SMALL)
        model.fit(
            sc_ds,
            pretrain_epochs=2,
            train_epochs=2,
            output_dir=str(tmp_path / "guide"),
            num_workers=0,
            precision="32-true",
            accelerator="cpu",
            enable_progress_bar=False,
        )
        imputed = model.impute(DataLoader(st_ds, batch_size=256, shuffle=False), obs_adata=space)
    counts = imputed.to_df()
    share = counts[task.targets].to_numpy() / counts[genes].to_numpy().sum(axis=1, keepdims=True)
    expected = np.log1p(np.median(dense(space, genes).sum(axis=1)) * share)

    method = REGISTRY.get("cellpin")(**SMALL, **SHORT)
    values = method.predict(task, Context(seed=3, scratch=tmp_path))
    np.testing.assert_allclose(values, expected, rtol=1e-4)


def test_predicts_the_simulated_targets(make_task, tmp_path):
    task, truth = make_task(n_cells=200, n_spots=100, n_visible=40)
    method = configure(REGISTRY.get("cellpin"), "cpu", {"n_hidden": 64, "encoder_layers": 2})
    values = method.predict(task, Context(scratch=tmp_path))
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, truth.T, strict=True)]) > 0.4


def test_the_network_has_the_most_variable_other_genes(make_task, tmp_path, monkeypatch, cellpin):
    task, _ = make_task(n_cells=60)
    inner, _ = task.hide(task.visible[-3:])  # the four targets of the task are other genes then
    seen = []
    setup = cellpin.pp.setup_data
    monkeypatch.setattr(cellpin.pp, "setup_data", lambda sc, st: seen.append(sc.n_vars) or setup(sc, st))
    for n_extra in (2, 0, None):
        values = REGISTRY.get("cellpin")(**SMALL, **SHORT, n_extra=n_extra).predict(
            inner, Context(scratch=tmp_path)
        )
        assert values.shape == (inner.spatial.n_obs, len(inner.targets))
    used = len(inner.visible) + len(inner.targets)
    assert seen == [used + 2, used, inner.reference.n_vars]


def test_leaves_no_trace(make_task, tmp_path, capfd):
    import torch

    task, _ = make_task(n_cells=60)
    lightning = logging.getLogger("pytorch_lightning")
    before = torch.get_float32_matmul_precision(), lightning.level
    done = []
    context = Context(scratch=tmp_path, progress=lambda *steps, **info: done.append(steps))
    REGISTRY.get("cellpin")(**SMALL, **SHORT).predict(task, context)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert "".join(capfd.readouterr()) == ""
    assert (torch.get_float32_matmul_precision(), lightning.level) == before


def test_the_presets_are_the_defaults_and_the_fallbacks_of_the_package(make_task):
    from cellpin.models.utils.model_helpers import DEFAULT_PARAMS

    paper = REGISTRY.get("cellpin").presets["paper"]
    sizes = ("n_latent", "n_hidden", "encoder_layers")
    assert {name: paper[name] for name in sizes} == {name: DEFAULT_PARAMS[name] for name in sizes}


@pytest.mark.parametrize("n_cells", [257, 41, 513, 2, 3])
def test_no_batch_has_a_single_cell(n_cells):
    from stbench.methods.cellpin import BATCH_SIZE, _batch_size

    size = _batch_size(n_cells)
    assert 1 < size <= BATCH_SIZE
    assert n_cells % size != 1
