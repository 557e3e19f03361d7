"""Commands to look at results: one run, two methods, and the page in a browser."""

import re
import subprocess
import sys
import urllib.request

import pytest
from command import stbench


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looking") / "results"
    grid = ["run", "--methods", "knn,ridge", "--datasets", "simulated", "--splits", "2"]
    done = stbench(*grid, "--limit", "cells=200,spots=100,genes=40", "--out", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_one_run_by_its_name_and_by_its_key(results):
    done = stbench("show", "knn · simulated · split 1", "--results", results)
    assert done.returncode == 0, done.stderr
    assert re.search(r"mean scores +pcc -?0\.\d{3}, ssim", done.stdout)
    key = re.search(r"key +(\w+)", done.stdout)[1]
    again = stbench("show", key[:8], "--results", results)
    assert again.stdout == done.stdout


def test_a_name_of_several_runs_or_of_none_is_one_line(results):
    done = stbench("show", "knn", "--results", results)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 'knn' names 2 runs: ")
    assert "Give the start of a key." in done.stderr
    none = stbench("show", "spage", "--results", results)
    assert (none.returncode, none.stderr.count("\n")) == (1, 1)


def test_two_methods_and_two_boards(results, tmp_path):
    done = stbench("compare", "ridge", "knn", "--results", results)
    assert done.returncode == 0, done.stderr
    assert re.search(r"simulated .*[+-]0\.\d{3} to [+-]0\.\d{3}", done.stdout)
    packed = tmp_path / "scores.parquet"
    assert stbench("pack", results, "--out", packed).returncode == 0
    boards = stbench("compare", packed, results)
    assert re.search(r"knn .*[+-]0\.000 +[+-]0\.000 to [+-]0\.000", boards.stdout), boards.stderr
    wrong = stbench("compare", "ridge", "kernel", "--results", results)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)


def test_the_page_is_served(results, tmp_path):
    call = [
        sys.executable,
        "-m",
        "stbench",
        "leaderboard",
        results,
        "--out",
        tmp_path,
        "--only",
        "site",
        "--serve",
    ]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = iter(server.stdout.readline, "")
            address = next(match[1] for line in lines if (match := re.search(r"Serving (http\S+)", line)))
            page = urllib.request.urlopen(address, timeout=20).read().decode()
            assert "knn" in page
        finally:
            server.terminate()
    without = stbench("leaderboard", results, "--out", tmp_path, "--only", "csv", "--open")
    assert without.returncode == 1
    assert "need the page" in without.stderr
