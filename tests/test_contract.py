"""The contract that every registered method keeps, on tiny data, in this process where that is possible."""

from __future__ import annotations

import contextlib
import logging
import random
import subprocess
import sys
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from stbench.datasets import Card
from stbench.files import read_json, write_json
from stbench.methods import REGISTRY, Context, Prediction, Task, Unsupported
from stbench.parameters import choose_preset, configure
from stbench.prepare import prepare
from stbench.splits import make_splits
from stbench.taskfolder import visible_spatial, write_task

# Sizes at which a method does all that it does, in seconds. The default parameters where it is not here.
TINY: dict[str, dict[str, object]] = {
    "causalged": {
        "hidden": 16,
        "latent": 8,
        "width": 16,
        "heads": 2,
        "pretrain_steps": 10,
        "steps": 20,
        "n_samples": 4,
    },
    "scvi": {"max_steps": 32},
    "spatialscope": {"max_updates": 6, "n_levels": 3, "n_inner": 1, "n_replicates": 1, "val_spots": 20},
    "spadit": {"hidden": 8, "depth": 1, "heads": 2, "max_updates": 4, "check_every": 2, "sampling_steps": 2},
    "stplus": {"n_hidden": 50},
    "stdiff": {"width": 16, "depth": 1, "heads": 2, "max_updates": 4, "checks": 2},
    "tangram": {"num_epochs": 20},
}

NAMES = REGISTRY.names()
every_method = pytest.mark.parametrize("name", NAMES)


def method(name):
    cls = REGISTRY.get(name)
    return configure(cls, choose_preset(cls, "cpu" if cls.presets else None, "cpu"), TINY.get(name, {}))


def mean(name, task, tmp_path, seed=0):
    """Predicted values, checked for shape and finiteness."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = method(name).predict(task, Context(seed=seed, scratch=tmp_path))
    values = np.asarray(answer.mean if isinstance(answer, Prediction) else answer)
    assert values.shape == (task.spatial.n_obs, len(task.targets))
    assert np.isfinite(values).all()
    return values


def make_task(reference, spatial, **card):
    pair = prepare(reference, spatial, Card("planted", min_genes=1, **card))
    split = make_splits(pair.genes)[0]
    return Task(
        pair.reference,
        visible_spatial(pair.spatial, split, pair.card.units),
        list(split.test),
        pair.card.units,
    )


def copy_of(task, change=lambda values: values):
    """The same task in other tables; ``change`` is applied to every matrix."""
    tables = []
    for table in (task.reference, task.spatial):
        other = AnnData(change(table.X), obs=table.obs.copy(), var=table.var.copy(), obsm=dict(table.obsm))
        for key, values in table.layers.items():
            other.layers[key] = change(values)
        tables.append(other)
    return Task(tables[0], tables[1], list(task.targets), task.units)


@pytest.fixture
def task(make_pair):
    return make_task(*make_pair())


@every_method
def test_values_for_every_target_and_the_same_for_the_same_seed(name, task, tmp_path):
    for seed in (0, 1):
        np.testing.assert_array_equal(mean(name, task, tmp_path, seed), mean(name, task, tmp_path, seed))


@every_method
def test_targets_are_matched_by_name(name, task, tmp_path):
    """Another order of the targets gives the same maps, up to the noise of a method that draws per gene."""
    first = mean(name, task, tmp_path)
    turned = Task(task.reference, task.spatial, task.targets[::-1], task.units)
    second = mean(name, turned, tmp_path)[:, ::-1]
    if name in ("random", "causalged", "stdiff", "spadit", "spatialscope"):  # draws depend on the order
        assert second.shape == first.shape
    else:
        np.testing.assert_allclose(second, first, rtol=1e-3, atol=1e-4)


@every_method
@pytest.mark.parametrize(
    "container", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, lambda v: v.toarray()],
    ids=["csr_matrix", "csc_matrix", "csr_array", "ndarray"],
)  # fmt: skip
def test_containers_make_no_difference(name, task, tmp_path, container):
    expected = mean(name, task, tmp_path)
    np.testing.assert_allclose(mean(name, copy_of(task, container), tmp_path), expected, rtol=1e-4, atol=1e-5)


@every_method
def test_leaves_the_task_and_the_process_as_they_were(name, task, tmp_path):
    import torch

    before = copy_of(task, lambda values: values.copy())
    state = np.random.get_state()[1].copy(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    settings = torch.get_default_dtype(), torch.get_num_threads(), logging.getLogger().level
    handlers, filters = list(logging.getLogger().handlers), list(warnings.filters)
    mean(name, task, tmp_path)
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state[1])
    assert random.getstate() == state[2]
    assert (torch.get_default_dtype(), torch.get_num_threads(), logging.getLogger().level) == settings
    assert logging.getLogger().handlers == handlers
    assert warnings.filters == filters
    for old, new in ((before.reference, task.reference), (before.spatial, task.spatial)):
        assert list(old.var_names) == list(new.var_names)
        assert list(old.obs.columns) == list(new.obs.columns)
        assert list(old.var.columns) == list(new.var.columns)
        assert list(old.uns) == list(new.uns)
        np.testing.assert_array_equal(old.X.toarray(), new.X.toarray())


@contextlib.contextmanager
def works_or_says(word):
    """Either nothing is raised, or `Unsupported` with a reason that names what is missing."""
    try:
        yield
    except Unsupported as error:
        if word not in str(error):
            raise


def degenerate(make_pair, n_spots):
    """40 cells, 12 genes; a visible gene constant in the reference, another in space; a target that is zero
    in the reference; an empty spot; two spots that are the same."""
    task = make_task(*make_pair(n_cells=40, n_spots=n_spots, n_genes=12, extra=5))
    reference, spatial = task.reference.copy(), AnnData(task.spatial.X.copy(), obs=task.spatial.obs.copy())
    spatial.var = task.spatial.var.copy()
    spatial.obsm["spatial"] = task.spatial.obsm["spatial"].copy()
    values, counts = reference.X.toarray(), reference.layers["counts"].toarray()
    for gene in (task.targets[0], task.visible[0]):
        column = list(reference.var_names).index(gene)
        values[:, column] = counts[:, column] = 0
    reference.X, reference.layers["counts"] = sparse.csr_matrix(values), sparse.csr_matrix(counts)
    seen, seen_counts = task.spatial.X.toarray(), task.spatial.layers["counts"].toarray()
    for matrix in (seen, seen_counts):
        matrix[:, 1] = 0
        matrix[3] = 0
        matrix[5] = matrix[4]
    spatial.obsm["spatial"][5] = spatial.obsm["spatial"][4]
    spatial.X, spatial.layers["counts"] = sparse.csr_matrix(seen), sparse.csr_matrix(seen_counts)
    return Task(reference, spatial, task.targets)


@every_method
@pytest.mark.parametrize("n_spots", [129, 130])
def test_degenerate_input(name, make_pair, tmp_path, n_spots):
    mean(name, degenerate(make_pair, n_spots), tmp_path)


@every_method
def test_intensities_work_or_are_unsupported(name, make_pair, tmp_path):
    reference, spatial = make_pair()
    spatial.X = spatial.X * 0.25
    task = make_task(reference, spatial)
    with works_or_says("counts"):
        mean(name, task, tmp_path)


@every_method
def test_no_coordinates_works_or_is_unsupported(name, make_pair, tmp_path):
    reference, spatial = make_pair()
    del spatial.obsm["spatial"]
    with works_or_says("coordinates"):
        mean(name, make_task(reference, spatial), tmp_path)


@every_method
def test_tripwire(name, make_pair, tmp_path):
    """Spoiled hidden values and another hash seed: the child's prediction is bit-identical."""
    split, answers = None, []
    for spoil in (False, True):
        reference, spatial = make_pair()
        if spoil:
            values = spatial.X.toarray()
            hidden = spatial.var_names.isin(split.test)
            values[:, hidden] = np.random.default_rng(1).integers(1, 99, (spatial.n_obs, hidden.sum()))
            spatial.X = sparse.csr_matrix(values)
        pair = prepare(reference, spatial, Card("planted"))
        split = split or make_splits(pair.genes)[0]
        folder = tmp_path / str(spoil)
        folder.mkdir()
        pair.reference.write_h5ad(folder / "reference.h5ad")
        visible = visible_spatial(pair.spatial, split, "counts")
        write_task(folder / "task", folder / "reference.h5ad", visible, list(split.test), "counts")
        extra = {"method": name, "parameters": {**vars(method(name))}, "seed": 0, "device": "cpu"}
        content = read_json(folder / "task" / "task.json") | extra | {"threads": 1, "plugins": []}
        write_json(folder / "task" / "task.json", content)
        environment = {"PYTHONHASHSEED": str(int(spoil)), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [sys.executable, "-m", "stbench.child", str(folder)],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert read_json(folder / "outcome.json")["status"] == "ok", done.stdout
        answers.append(anndata.read_h5ad(folder / "prediction.h5ad"))
    np.testing.assert_array_equal(answers[0].X, answers[1].X)
    pd.testing.assert_index_equal(answers[0].var_names, answers[1].var_names)


@every_method
def test_says_what_it_is(name):
    cls = REGISTRY.get(name)
    assert cls.info.paper
    assert cls.__doc__
    assert cls.info.family in ("control", "baseline") or cls.info.doi
    if cls.info.family not in ("control", "baseline"):
        assert "Deviations" in cls.__doc__


@every_method
def test_has_a_test_of_its_own(name):
    tests = list((Path(__file__).parent / "methods").glob("test_*.py"))
    assert any(f'"{name}"' in file.read_text() or file.stem == f"test_{name}" for file in tests), (
        f"add tests/methods/test_{name}.py"
    )
