"""A results folder from a stranger: it is data, never code, and nothing in it leads outside."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from stbench.board.collect import collect
from stbench.config.options import RunOptions
from stbench.errors import StbenchError
from stbench.files import open_h5ad, read_h5ad
from stbench.runs.benchmark import run
from stbench.runs.manifest import read_manifest
from stbench.runs.results import Results

ROOT = Path(__file__).parent.parent
EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> \\input{/etc/passwd} $x_1$ & % # | `x`'


@pytest.fixture(scope="module")
def results(tmp_path_factory, write_data):
    folder = tmp_path_factory.mktemp("stranger")
    config = RunOptions(
        methods=("mean", "random"),
        datasets=("planted",),
        data=(write_data(folder),),
        out=folder / "out",
        jobs=2,
    )
    run(config)
    return Results(folder / "out")


@pytest.fixture
def copy(results, tmp_path):
    shutil.copytree(results.folder, tmp_path / "out")
    return Results(tmp_path / "out")


def forge(results, method="random", **changes):
    """Change the manifest of a run; its folder."""
    record = next(r for r in results.manifests() if r["method"] == method)
    folder = results.run_folder(record["key"])
    (folder / "manifest.json").write_text(json.dumps(record | changes))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "../../etc"},
        {"dataset": "/etc"},
        {"dataset": ".."},
        {"dataset": "a\x00b"},
        {"data_hash": "../../../x"},
        {"split": {"hash": "../../x", "rotation": 0, "split_seed": 0}},
        {"split": "0"},
        {"key": "0" * 16},
        {"key": "../other"},
        {"status": "excellent"},
        {"wall_s": "fast"},
        {"wall_s": float("nan")},
        {"label": ["x"]},
        {"reason": "x" * 10_000},
        {"seed": None},
    ],
    ids=str,
)
def test_a_forged_manifest_is_refused(copy, changes, caplog):
    folder = forge(copy, **changes)
    with pytest.raises(StbenchError, match="manifest"):
        read_manifest(folder)
    board = collect(copy)
    assert set(board.runs["method"]) == {"mean"}
    assert caplog.messages[0].startswith(f"Left out, damaged: runs/{folder.name}")


def test_a_huge_manifest_is_not_read(copy):
    folder = forge(copy)
    with (folder / "manifest.json").open("a") as file:
        file.write(" " * (1 << 21))
    assert "too large for a manifest" in copy.damage(folder.name)


def test_names_are_escaped_in_everything_that_is_rendered(copy, tmp_path):
    forge(copy, label=EVIL, preset=EVIL)
    forge(copy, method="mean", status="failed", reason=EVIL)
    done = subprocess.run(
        [sys.executable, "-m", "stbench", "leaderboard", copy.folder, "--out", tmp_path / "board"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "board").rglob("*.html"))
    assert pages
    texts = [*(tmp_path / "board").rglob("*.tex"), *(tmp_path / "board").rglob("*.md")]
    assert len(texts) >= 2
    for file in pages + texts:
        content = file.read_text()
        assert not re.search(r"(?<!\\)<img src=x", content), file  # Markdown escapes with a backslash
        assert not re.search(r"(?<!\\)<script>alert", content), file
        if file.suffix == ".tex":
            assert "\\input{/etc" not in content, file
            assert not re.search(r"[^\\]\$x_1", content), file


def test_damaged_or_forged_scores_are_made_anew_from_the_prediction(copy):
    expected = collect(copy).scores
    record = next(r for r in copy.manifests() if r["method"] == "random")
    file = copy.run_folder(record["key"]) / "scores.parquet"
    for content in (b"nothing", b"PAR1 nothing PAR1"):
        file.write_bytes(content)
        pd.testing.assert_frame_equal(collect(copy).scores, expected)
    pd.DataFrame({"gene": ["x"], "metric": [EVIL], "definition": ["1"], "value": ["high"]}).to_parquet(file)
    pd.testing.assert_frame_equal(collect(copy).scores, expected)
    pd.DataFrame({"value": [1.0]}).to_parquet(file)
    pd.testing.assert_frame_equal(collect(copy).scores, expected)


def test_a_file_that_reads_another_one_is_refused(tmp_path):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["x"] = np.ones(3)
    linked = tmp_path / "linked.h5"
    with h5py.File(linked, "w") as file:
        file["X"] = h5py.ExternalLink("outside.h5", "x")
    virtual = tmp_path / "virtual.h5"
    with h5py.File(virtual, "w") as file:
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(str(outside), "x", (3,))
        file.create_virtual_dataset("X", layout)
    for file in (linked, virtual):
        with pytest.raises(StbenchError, match="takes 'X' from another file"):
            open_h5ad(file, 10**9)
    with pytest.raises(StbenchError, match="unpacks to"):
        open_h5ad(outside, 23)


def test_a_sparse_table_with_indices_out_of_range_is_refused(tmp_path):
    file = tmp_path / "wild.h5ad"
    AnnData(sparse.eye(4, format="csr", dtype=np.float32)).write_h5ad(file)
    with h5py.File(file, "a") as content:
        content["X/indices"][2] = 1_000_000_000
    with pytest.raises(StbenchError, match="cannot be read as h5ad"):
        read_h5ad(file)


def test_no_code_of_ours_unpickles():
    folders = [ROOT / name for name in ("stbench", "methods", "datasets", "metrics", "leaderboard")]
    pattern = re.compile(
        r"\b(pickle|dill|cloudpickle|marshal)\b|joblib\.(load|Memory)|from joblib import|allow_pickle=True"
        r"|weights_only=False|(?<![.\w])eval\(|shell=True|os\.system"
    )
    found = [
        f"{file}: {line.strip()}"
        for folder in folders
        for file in folder.rglob("*.py")
        for line in file.read_text().splitlines()
        if pattern.search(line)
        and not line.strip().startswith(("#", '"', "from pickle import UnpicklingError"))
    ]
    assert found == []
