"""The example package: installed, its method is found by its entry point and has a row."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "stbench-nearest"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder on the path with the installed example; stbench itself is that of this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder, EXAMPLE], check=True, capture_output=True)
    return folder


def stbench(site, *arguments, cwd):
    code = "from stbench.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, env=environment)


def test_is_listed_and_run_beside_the_others(site, data_folder, tmp_path):
    assert "nearest_cell" in stbench(site, "list", "methods", cwd=tmp_path).stdout
    grid = ["run", "--methods", "nearest_cell,knn", "--datasets", "planted", "--data", data_folder]
    done = stbench(site, *grid, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "results" / "leaderboard" / "leaderboard.csv").open(newline="") as file:
        rows = {row["method"]: row["status"] for row in csv.DictReader(file)}
    assert rows.items() >= {"nearest_cell": "ok", "knn": "ok"}.items()


def test_keeps_the_contract(site, tmp_path):
    done = stbench(site, "check", "method", "nearest_cell", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout
