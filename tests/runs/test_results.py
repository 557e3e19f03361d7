"""The manifests of a results folder: each is read once per command, and again when it has changed."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stbench.cli import app
from stbench.config.options import RunOptions
from stbench.errors import StbenchError
from stbench.runs.benchmark import run
from stbench.runs.results import Results

OPENED: Counter[str] = Counter()


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_data):
    """A data folder, and a results folder with two runs; opens of manifests are counted from here on."""
    folder = tmp_path_factory.mktemp("made")
    data, out = write_data(folder), folder / "out"
    run(RunOptions(methods=("mean", "random"), datasets=("planted",), data=(data,), out=out, jobs=1))
    sys.addaudithook(_count)  # cannot be removed again; the module counts nothing else
    return data, out


def _count(event, arguments):
    if event == "open" and str(arguments[0]).endswith("manifest.json"):
        OPENED[Path(str(arguments[0])).parent.name] += 1


def opened(*command):
    """How often each manifest was opened by a command that succeeded."""
    OPENED.clear()
    done = CliRunner().invoke(app, list(map(str, command)))
    assert done.exit_code == 0, done.output
    return dict(OPENED)


def test_a_leaderboard_reads_each_manifest_once(made, tmp_path):
    _, out = made
    command = ["leaderboard", out, "--out", tmp_path, "--only", "csv,markdown,site"]
    assert opened(*command) == {folder.name: 1 for folder in out.glob("runs/*")}


def test_a_second_run_reads_each_manifest_once(made):
    data, out = made
    command = ["run", "--methods", "mean,random", "--datasets", "planted", "--data", data, "--out", out]
    assert opened(*command) == {folder.name: 1 for folder in out.glob("runs/*")}


def test_status_and_verify_read_each_manifest_once(made):
    _, out = made
    for command in ("status", "verify"):
        assert set(opened(command, out).values()) == {1}


def test_a_manifest_that_another_grid_stored_is_read_again(made):
    results = Results.open(made[1])
    (first, *_) = results.manifests()
    file = results.run_folder(first["key"]) / "manifest.json"
    before = file.read_text()
    for text, moment in ((json.dumps(first | {"wall_s": 1.5}), 1), ("{", 2), (before, 3)):
        file.write_text(text)
        os.utime(file, ns=(moment, moment))  # two writes may fall on one tick of the clock
        if text == "{":
            assert "not readable JSON" in results.damage(first["key"])
            with pytest.raises(StbenchError, match="not readable JSON"):
                results.manifest(first["key"])
            assert len(results.manifests()) == 1
        else:
            assert results.manifest(first["key"]) == json.loads(text)
    assert results.manifest("0" * 16) is None
    assert results.damage("0" * 16) is None
