"""CausalGeD from end to end: switches, reproducibility, and whether it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from anndata import AnnData

from stbench.errors import StbenchError
from stbench.methods import Context, Shape, Task
from stbench.methods.causalged import CausalGeD
from stbench.toolbox.scale import log_normalise

TINY = CausalGeD(
    hidden=16,
    latent=8,
    width=16,
    depth=1,
    heads=2,
    pretrain_steps=2,
    batch=2,
    steps=3,
    lr=1e-3,
    warmup=2,
    val_every=2,
    val_steps=2,
    val_samples=1,
    n_samples=2,
    sample_steps=3,
)


def planted(n_genes=60, n_spots=100, n_cells=120, n_test=10, seed=0) -> tuple[Task, np.ndarray]:
    """Counts whose log rates are (gene loading) x (three factors); the factors are smooth in space."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(3, n_genes))
    xy = rng.uniform(size=(n_spots, 2))
    in_space = np.column_stack([np.sin(6 * xy[:, 0]), np.cos(6 * xy[:, 1]), np.sin(5 * xy.sum(axis=1))])
    spatial = rng.poisson(3 * np.exp(in_space @ loadings)).astype(np.float32)
    reference = rng.poisson(3 * np.exp(rng.normal(size=(n_cells, 3)) @ loadings)).astype(np.float32)
    genes = [f"g{i}" for i in range(n_genes)]

    def table(counts, names):
        adata = AnnData(log_normalise(counts))
        adata.layers["counts"] = counts
        adata.var_names = names
        return adata

    visible = table(spatial[:, n_test:], genes[n_test:])
    visible.var["split"] = ["val" if i < 10 else "train" for i in range(n_genes - n_test)]
    truth = log_normalise(spatial).toarray()[:, :n_test]
    return Task(table(reference, genes), visible, genes[:n_test]), truth


def predict(method: CausalGeD, task: Task, seed: int = 0) -> np.ndarray:
    return method.predict(task, Context(seed=seed))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"decoder": "pretrained_frozen"},
        {"variational": False},
        {"ar_step_decay": 1.0},
        {"depth": 2},
        *({"t_sampling": f"1/{n}"} for n in (2, 3, 4, 20)),
        {"t_shared": True},
        {"objective": "x0"},
        {"ar_weights": "cosine"},
        {"ar_weights": "none"},
        {"n_ar_infer": 3},
        {"seq_genes": 7},
        {"cond": "none"},
        {"context": "none"},
        {"ar_steps": "one"},
        {"cond": "none", "context": "none"},
        {"generation": "direct", "align_weight": 1.0},
        {"denoise_input": 0.2},
        {"profiles": "maximum"},
        {"cell_dropout": 0.0},
        {"mix": 0.0},
        {"target": "draw"},
        {"eta": 0.0},
        {"pretrain_steps": 0},
    ],
    ids=str,
)
def test_every_switch_gives_a_prediction_of_its_own(change):
    task, _ = planted(n_genes=30, n_spots=20, n_cells=25)
    values = predict(replace(TINY, **change), task)
    assert values.shape == (20, 10)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    if change:
        assert not np.array_equal(values, predict(TINY, task))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 17}, "not a multiple of heads"),
        ({"decoder": "pretrained_frozen", "pretrain_steps": 0}, "pretrain_steps > 0"),
        ({"generation": "direct"}, "align_weight > 0"),
        ({"ar_step_decay": 0.0}, "ar_step_decay"),
        ({"cell_dropout": 1.0}, "cell_dropout"),
    ],
)
def test_impossible_parameters_are_refused(change, message):
    with pytest.raises(StbenchError, match=message):
        replace(TINY, **change)


def test_a_seed_decides_everything_and_nothing_global_changes():
    task, _ = planted(n_genes=30, n_spots=20, n_cells=25)
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global state is what is tested
    states = torch.random.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    first = predict(TINY, task, seed=0)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    torch.manual_seed(2)
    np.testing.assert_array_equal(predict(TINY, task, seed=0), first)
    assert not np.array_equal(predict(TINY, task, seed=1), first)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)


def test_the_input_is_left_as_it_was():
    task, _ = planted(n_genes=30, n_spots=20, n_cells=25)
    spatial, reference = task.spatial.X.copy(), task.reference.X.copy()
    predict(TINY, task)
    assert (spatial != task.spatial.X).nnz == 0
    assert (reference != task.reference.X).nnz == 0


def test_only_the_values_of_the_task_matter():
    """Coordinates, other columns and reference genes that nobody asks for change nothing."""
    task, _ = planted(n_genes=30, n_spots=20, n_cells=25)
    expected = predict(TINY, task)
    spatial, reference = task.spatial.copy(), task.reference
    spatial.obsm["spatial"] = np.random.default_rng(0).normal(size=(20, 2))
    spatial.obs["depth"] = np.arange(20.0)
    wider = AnnData(np.hstack([reference.X.toarray(), np.full((25, 1), 9.0, dtype=np.float32)]))
    wider.var_names = [*reference.var_names, "other"]
    values = predict(TINY, Task(wider, spatial, task.targets, task.units))
    np.testing.assert_array_equal(values, expected)


def test_intensities_and_genes_constant_in_the_reference():
    task, _ = planted(n_genes=30, n_spots=20, n_cells=25)
    reference = task.reference.copy()
    values = reference.X.toarray()
    values[:, reference.var_names.get_loc(task.targets[0])] = 0.0
    values[:, reference.var_names.get_loc(task.targets[1])] = 2.0
    values[:, reference.var_names.get_loc(task.visible[0])] = 0.0
    values[:, reference.var_names.get_loc(task.visible[-1])] = 0.0
    intensities = AnnData(np.random.default_rng(0).uniform(0.1, 1, size=(20, 20)).astype(np.float32))
    intensities.var_names, intensities.var["split"] = task.visible, task.spatial.var["split"].to_numpy()
    changed = AnnData(values, var=reference.var)
    assert np.isfinite(predict(TINY, Task(changed, intensities, task.targets, units="intensity"))).all()


def test_it_finds_planted_maps():
    task, truth = planted()
    method = replace(TINY, **{**CausalGeD.presets["cpu"], "steps": 300, "hidden": 64, "width": 64})
    values = predict(method, task)
    pcc = [np.corrcoef(a, b)[0, 1] for a, b in zip(truth.T, values.T, strict=True)]
    assert np.mean(pcc) > 0.4


def test_memory_grows_with_the_task():
    small = Shape(cells=1000, spots=1000, visible=100, targets=10, reference_genes=100)
    large = Shape(cells=10_000, spots=20_000, visible=600, targets=60, reference_genes=1000)
    assert 3e8 < CausalGeD().memory_bytes(small) < CausalGeD().memory_bytes(large)
