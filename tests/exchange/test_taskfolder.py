"""What a method's process gets, and the tripwire: hidden values cannot change a byte of it."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from stbench.data.prepare import prepare
from stbench.data.split import make_splits
from stbench.data.visible import visible_spatial
from stbench.datasets import Card
from stbench.errors import HiddenGene, StbenchError
from stbench.exchange.taskfolder import (
    InvalidPrediction,
    TaskFile,
    read_prediction,
    read_task,
    schema,
    write_prediction,
    write_tables,
)
from stbench.methods import Prediction, Task
from stbench.toolbox.scale import log_normalise


def task_folder(folder, pair, split):
    folder.mkdir()
    pair.reference.write_h5ad(folder / "reference.h5ad")
    spatial = visible_spatial(pair.spatial, split, pair.card.units)
    write_tables(folder / "task", folder / "reference.h5ad", spatial)
    task_file(targets=list(split.test), units=pair.card.units).write(folder / "task")
    return folder / "task"


def task_file(**given):
    standard = {"method": "mean", "parameters": {}, "targets": ["x"], "units": "counts", "seed": 0}
    return TaskFile(**standard | {"threads": 1, "device": "cpu"} | given)


@pytest.fixture
def pair(make_pair):
    reference, spatial = make_pair()
    spatial.obs["depth"] = 3.0
    spatial.layers["smoothed"] = spatial.X.copy()
    spatial.uns["secret"] = 1
    return prepare(reference, spatial, Card("planted"))


def test_visible_part_only(pair, tmp_path):
    split = make_splits(pair.genes)[0]
    task, file = read_task(task_folder(tmp_path / "a", pair, split))
    assert set(task.visible) == {*split.train, *split.val}
    assert file.targets == list(split.test)
    assert list(task.spatial.obs.columns) == []
    assert list(task.spatial.uns) == []
    assert list(task.spatial.layers) == ["counts"]
    assert list(task.spatial.var.columns) == ["split"]
    assert set(task.spatial.var_names[task.spatial.var["split"] == "val"]) == set(split.val)
    counts = pair.spatial[:, task.visible].layers["counts"]
    np.testing.assert_allclose(task.spatial.X.toarray(), log_normalise(counts).toarray())


@pytest.mark.parametrize("units", ["counts", "intensity"])
def test_tripwire_task_folder_is_the_same_whatever_the_hidden_genes_hold(make_pair, tmp_path, units):
    split = None
    folders = []
    for spoil in (False, True):
        reference, spatial = make_pair()
        if units == "intensity":
            spatial.X = spatial.X * 0.5
        if spoil:
            hidden = spatial.var_names.isin(split.test)
            noise = np.random.default_rng(1).integers(1, 99, (spatial.n_obs, hidden.sum()))
            values = spatial.X.toarray()
            values[:, hidden] = noise * (0.5 if units == "intensity" else 1)
            spatial.X = sparse.csr_matrix(values)
        pair = prepare(reference, spatial, Card("planted", units=units))
        split = split or make_splits(pair.genes)[0]
        folders.append(task_folder(tmp_path / str(spoil), pair, split))
    for name in ("reference.h5ad", "spatial.h5ad", "task.json"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_asking_for_a_target_is_a_clear_error(pair, tmp_path):
    split = make_splits(pair.genes)[0]
    task, _ = read_task(task_folder(tmp_path / "a", pair, split))
    target = split.test[0]
    for asked in (target, [task.visible[0], target]):
        with pytest.raises(HiddenGene, match=f"'{target}' is a target: its spatial values are hidden"):
            task.spatial[:, asked]
    with pytest.raises(KeyError):
        task.spatial[:, "no such gene"]
    inner, _ = task.validation()
    with pytest.raises(HiddenGene):
        inner.spatial[:, split.val[0]]


def test_validation_hides_val_and_renormalises(pair, tmp_path):
    split = make_splits(pair.genes)[0]
    task, _ = read_task(task_folder(tmp_path / "a", pair, split))
    inner, truth = task.validation()
    assert set(inner.visible) == set(split.train)
    assert set(inner.targets) == set(split.val)
    np.testing.assert_array_equal(truth, task.spatial[:, inner.targets].X.toarray())
    train = [gene for gene in task.visible if gene in split.train]
    np.testing.assert_allclose(
        inner.spatial.X.toarray(), log_normalise(pair.spatial[:, train].layers["counts"]).toarray()
    )
    with pytest.raises(StbenchError, match="hide"):
        task.hide(task.visible)


def test_no_varying_gene_is_one_line(pair, tmp_path):
    task, _ = read_task(task_folder(tmp_path / "a", pair, make_splits(pair.genes)[0]))
    task.spatial.X = np.ones(task.spatial.shape, dtype=np.float32)
    with pytest.raises(StbenchError, match="No visible gene varies"):
        task.varying_genes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"targets": []},
        {"targets": ["x", "x"]},
        {"units": "cpm"},
        {"seed": -1},
        {"threads": 0},
        {"device": "gpu"},
    ],
)
def test_a_wrong_task_file_is_one_line(tmp_path, wrong):
    content = task_file().model_dump() | wrong
    (tmp_path / "task.json").write_text(json.dumps(content))
    with pytest.raises(StbenchError, match=rf"task.json', {next(iter(wrong))}: "):
        TaskFile.read(tmp_path)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema())


def test_the_schema_is_that_of_the_model():
    """Write json.dumps(schema(), indent=1) and a line end into the file when the model changes."""
    kept = (files("stbench.exchange") / "task.schema.json").read_text()
    assert kept == json.dumps(schema(), indent=1) + "\n"
    jsonschema.validate(task_file().model_dump(), schema())


def small_task():
    spatial = AnnData(np.ones((3, 2), dtype=np.float32))
    spatial.obs_names = ["s0", "s1", "s2"]
    return Task(AnnData(np.ones((2, 4), dtype=np.float32)), spatial, ["x", "y"])


def test_prediction_round_trip(tmp_path):
    mean = np.arange(6.0).reshape(3, 2)
    write_prediction(tmp_path / "p.h5ad", small_task(), Prediction(mean, mean - 1, mean + 1, level=0.8))
    back = read_prediction(tmp_path / "p.h5ad", ["s2", "s0", "s1"], ["y", "x"])
    np.testing.assert_array_equal(back.mean, mean[[2, 0, 1]][:, [1, 0]])
    np.testing.assert_array_equal(back.upper, back.mean + 1)
    assert back.level == 0.8


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.ones((3, 1)), r"shape \(3, 1\)"),
        (np.full((3, 2), np.nan), "6 NaN"),
        (np.array([["a", "b"]] * 3), "numbers"),
        (Prediction(np.ones((3, 2)), lower=np.ones(3)), "lower has shape"),
    ],
)
def test_wrong_answers(tmp_path, answer, message):
    with pytest.raises(InvalidPrediction, match=message):
        write_prediction(tmp_path / "p.h5ad", small_task(), answer)


def test_missing_and_damaged_answers(tmp_path):
    with pytest.raises(InvalidPrediction, match="without a prediction"):
        read_prediction(tmp_path / "none.h5ad", ["s0"], ["x"])
    (tmp_path / "half.h5ad").write_bytes(b"half a file")
    with pytest.raises(InvalidPrediction, match="damaged"):
        read_prediction(tmp_path / "half.h5ad", ["s0"], ["x"])
    write_prediction(tmp_path / "p.h5ad", small_task(), np.ones((3, 2)))
    with pytest.raises(InvalidPrediction, match="'z' is missing"):
        read_prediction(tmp_path / "p.h5ad", ["s0", "s1", "s2"], ["x", "z"])
