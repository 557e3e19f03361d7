"""Exported tasks: every byte is searched for hidden values, and the search finds them where they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from anndata import AnnData
from command import stbench as command
from scipy import sparse

import stbench
from stbench.blind import export as module
from stbench.blind.manifest import Exported, file_hashes
from stbench.data.cache import load
from stbench.data.limit import Limit
from stbench.data.sources import dataset_in
from stbench.data.split import make_splits
from stbench.data.visible import visible_spatial
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import read_task

SPLITS = 3


def write_pair(folder: Path, make_pair, spoil: tuple[str, ...] = ()) -> Path:
    """A dataset whose spatial counts are all different, so that each can be recognised.

    ``spoil`` are genes that get other counts.
    """
    reference, spatial = make_pair(n_genes=30)
    values = np.random.default_rng(0).permutation(
        np.round(np.geomspace(1e5, 1e7, 2 * spatial.n_obs * spatial.n_vars))
    )
    first, second = (half.reshape(spatial.shape) for half in np.split(values, 2))
    counts = np.where(spatial.var_names.isin(spoil), second, first)
    folder.mkdir(parents=True)
    reference.write_h5ad(folder / "sc.h5ad")
    spatial.X = sparse.csr_matrix(counts, dtype=np.float32)
    spatial.write_h5ad(folder / "st.h5ad")
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_pair):
    return write_pair(tmp_path_factory.mktemp("export") / "planted", make_pair)


@pytest.fixture(scope="module")
def pair(dataset):
    return load(dataset_in(dataset), Limit())


def hidden(pair, split) -> set[float]:
    """Counts and normalised values of the hidden genes, as 32-bit numbers."""
    table = pair.spatial[:, list(split.test)]
    values = np.concatenate([table.X.toarray().ravel(), table.layers["counts"].toarray().ravel()])
    return set(map(float, values.astype(np.float32)))


def numbers(file: Path) -> Iterator[float]:
    """Every number in a file as a 32-bit number: in arrays, in text, and in text inside of arrays."""
    texts = []
    if file.suffix == ".h5ad":
        arrays: list[np.ndarray] = []
        with h5py.File(file) as content:

            def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
                found = [np.asarray(value) for value in item.attrs.values()]
                found += [np.asarray(item[()])] if isinstance(item, h5py.Dataset) else []
                arrays.extend(found)

            content.visititems(visit)
        for array in arrays:
            if array.dtype.kind in "fiub":
                yield from map(float, array.astype(np.float32).ravel())
            else:
                texts += [x.decode() if isinstance(x, bytes) else str(x) for x in array.ravel()]
    else:
        texts.append(file.read_text())
    for text in texts:
        for number in re.findall(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?", text):
            with np.errstate(over="ignore"):  # a hash may look like 1e999
                yield float(np.float32(number))


def leaks(folder: Path, values: set[float]) -> set[str]:
    """The files below ``folder`` with any of the values, as numbers or as the bytes of a number."""
    packed = [
        np.dtype(kind).type(value).tobytes()
        for value in values
        for kind in ("<f4", "<f8", "<i4", "<i8")
        if kind[1] == "f" or value == int(value)
    ]
    found = set()
    for file in (file for file in folder.rglob("*") if file.is_file()):
        content = file.read_bytes()
        if values & set(numbers(file)) or any(one in content for one in packed):
            found.add(file.relative_to(folder).as_posix())
    return found


@pytest.mark.parametrize("tables", ["h5ad", "text"])
def test_no_byte_of_a_task_holds_a_hidden_value(dataset, pair, tables, tmp_path):
    out = tmp_path / "tasks"
    exported = stbench.export(str(dataset), splits=SPLITS, tables=tables, out=out)
    assert list(exported.tasks) == [f"planted/split{k}" for k in range(SPLITS)]
    for split in make_splits(pair.genes, SPLITS):
        assert len(hidden(pair, split)) == 2 * 3 * pair.spatial.n_obs
        assert leaks(out / f"planted/split{split.rotation}", hidden(pair, split)) == set()
    first, second, _ = make_splits(pair.genes, SPLITS)
    assert leaks(out / "planted/split0", hidden(pair, second)) != set()  # visible there: the search does find

    alone = tmp_path / "alone"
    stbench.export(str(dataset), tables=tables, out=alone)
    assert leaks(alone, hidden(pair, first)) == set()  # manifest and all


def everything(truth: AnnData, split, units: str) -> AnnData:
    table = truth.copy()
    table.var["split"] = "train"
    return table


def a_column_of_obs(truth: AnnData, split, units: str) -> AnnData:
    table = visible_spatial(truth, split, units)
    table.obs["depth"] = truth[:, split.test[0]].layers["counts"].toarray().ravel()
    return table


def a_coordinate(truth: AnnData, split, units: str) -> AnnData:
    table = visible_spatial(truth, split, units)
    table.obsm["spatial"][:, 0] = truth[:, split.test[1]].X.toarray().ravel()
    return table


def a_text(truth: AnnData, split, units: str) -> AnnData:
    table = visible_spatial(truth, split, units)
    table.uns["note"] = f"spot0 has {truth[:, split.test[2]].layers['counts'].toarray()[0, 0]:.0f}"
    return table


@pytest.mark.parametrize(
    ("wrong", "tables", "places"),
    [
        (everything, "h5ad", {"spatial.h5ad"}),
        (everything, "text", {"spatial/X.mtx", "spatial/counts.mtx"}),
        (a_column_of_obs, "h5ad", {"spatial.h5ad"}),
        (a_column_of_obs, "text", {"spatial/obs.csv"}),
        (a_coordinate, "h5ad", {"spatial.h5ad"}),
        (a_coordinate, "text", {"spatial/coordinates.csv"}),
        (a_text, "h5ad", {"spatial.h5ad"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_search_finds_what_a_wrong_export_gives_away(
    dataset, pair, wrong, tables, places, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "visible_spatial", wrong)
    stbench.export(str(dataset), tables=tables, out=tmp_path / "tasks")
    found = leaks(tmp_path / "tasks/planted/split0", hidden(pair, make_splits(pair.genes)[0]))
    assert found == places


@pytest.mark.parametrize("tables", ["h5ad", "text"])
def test_a_task_is_the_same_whatever_its_hidden_genes_hold(dataset, pair, tables, make_pair, tmp_path):
    """Sums and sizes too: no byte is a function of a hidden value."""
    split = make_splits(pair.genes)[0]
    other = write_pair(tmp_path / "planted", make_pair, spoil=split.test)
    hashes = []
    for folder in (dataset, other):
        out = tmp_path / f"tasks_{len(hashes)}"
        (task,) = stbench.export(str(folder), tables=tables, out=out).tasks.values()
        assert task.split == split.hash
        hashes.append((task.data_hash, task.files))
    assert hashes[0][0] != hashes[1][0]
    assert hashes[0][1] == hashes[1][1]


def test_the_manifest_says_what_the_folder_holds(dataset, pair, tmp_path):
    out = tmp_path / "deep" / "tasks"
    done = command(
        "export", "--datasets", dataset, "--splits", 2, "--split-seed", 5, "--limit", "cells=40", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "visible in others" in done.stdout
    content = json.loads((out / "manifest.json").read_text())
    assert content["limit"] == "cells=40"
    assert content["split_seed"] == 5
    assert content["stbench"] == stbench.__version__
    assert str(tmp_path) not in (out / "manifest.json").read_text()
    exported = Exported.read(out)
    exported.check(out)
    for name, task in exported.tasks.items():
        seen, file = read_task(out / name)
        assert task.targets == file.targets
        assert task.spots == seen.spatial.n_obs
        assert task.files == file_hashes(out / name)
        assert not set(task.targets) & set(seen.visible)
        assert set(task.targets) | set(seen.visible) == set(pair.genes)
    references = [(out / name / "reference.h5ad").stat() for name in exported.tasks]
    assert len({about.st_ino for about in references}) == 1  # once on the disk
    assert {path.name for path in out.iterdir()} == {"planted", "manifest.json", "README.txt"}


def test_nothing_is_written_where_something_is_wrong(dataset, tmp_path):
    with pytest.raises(StbenchError, match="Unknown dataset 'nothing'"):
        stbench.export("nothing", out=tmp_path / "tasks")
    with pytest.raises(StbenchError, match="at least 10 are needed"):
        stbench.export(["simulated", str(dataset)], limit="genes=5", out=tmp_path / "tasks")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(StbenchError, match="exists and is not empty"):
        stbench.export(str(dataset), out=tmp_path)
    assert (tmp_path / "kept").read_text() == "mine"
