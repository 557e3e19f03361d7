"""How long runs will take: learned from runs of the same method and size, and shown while a grid runs."""

from __future__ import annotations

import io
import re
from statistics import median

import pytest
from command import stbench
from rich.console import Console
from rich.progress import Progress

from stbench.config.options import RunOptions
from stbench.runs.benchmark import run
from stbench.runs.events import Reporter
from stbench.runs.progress import Bars, Lines, shown
from stbench.runs.results import Results
from stbench.runs.times import Expected, Times, duration

SHAPE = {"cells": 200, "spots": 100, "visible": 36, "targets": 4}
OK = {"label": "knn", "preset": "default", "device": "cpu", "status": "ok", "wall_s": 10.0, "shape": SHAPE}
LIKE = "knn, default, cpu, 200 cells, 100 spots, 40 genes"


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({}, 15),
        ({"shape": SHAPE | {"visible": 35, "targets": 5}}, 15),
        ({"status": "unsupported"}, 15),
        ({"status": "failed"}, 10),
        ({"status": "timeout"}, 10),
        ({"wall_s": None}, 10),
        ({"shape": None}, 10),
        ({"shape": SHAPE | {"spots": 101}}, 10),
        ({"device": "cuda"}, 10),
        ({"preset": "paper"}, 10),
        ({"label": "knn(k=3)"}, 10),
    ],
)
def test_only_runs_of_the_same_method_and_size_that_would_end_the_same_teach(change, seconds):
    assert Times([OK, OK | {"wall_s": 20.0} | change]).of(LIKE) == seconds


def test_what_never_ran_has_no_estimate():
    times = Times([OK])
    assert times.of("kernel, default, cpu, 200 cells, 100 spots, 40 genes") is None
    assert times.expected([LIKE] * 4 + ["other"], at_once=2) == Expected(20, 4, 1)
    assert times.expected([LIKE], [(LIKE, 4.0), (LIKE, 11.0)], at_once=2) == Expected(10, 2, 1)
    assert times.expected(["other"], at_once=2) == Expected(0, 0, 1)


def test_estimates_in_words():
    assert [duration(s) for s in (0.2, 8, 200, 7800)] == ["less than 1 s", "8 s", "3 min", "2 h 10 min"]
    assert str(Expected(20, 4, 0)) == "about 20 s"
    assert str(Expected(0.4, 4, 0)) == "less than 1 s"
    assert str(Expected(20, 4, 1)) == "about 20 s, unknown for 1 run"
    assert str(Expected(0, 0, 2)) == "unknown for 2 runs"


class Watched(Reporter):
    """Keeps what two reporters show of the same grid."""

    def __init__(self):
        self.log = Lines(Console(file=io.StringIO(), width=200))
        self.bars = Bars(Progress(console=Console(file=io.StringIO())))
        self.descriptions = []

    def planned(self, specs, times):
        self.log.planned(specs, times)
        self.bars.planned(specs, times)

    def started(self, spec):
        self.log.started(spec)
        self.bars.started(spec)

    def progress(self, spec, seconds, state):
        self.log.progress(spec, seconds, state)
        self.bars.progress(spec, seconds, state)

    def finished(self, spec, manifest):
        self.log.finished(spec, manifest)
        self.bars.finished(spec, manifest)
        self.descriptions.append(self.bars.view.tasks[0].description)


@pytest.fixture(scope="module")
def grid(tmp_path_factory, write_data):
    """A grid of two methods on three splits, what was shown of it, and its options on the command line."""
    folder = tmp_path_factory.mktemp("times")
    data, watched = write_data(folder), Watched()
    options = {"methods": ("mean", "ridge"), "datasets": ("planted",), "data": (data,), "jobs": 1}
    run(RunOptions(out=folder / "r", splits=3, **options), watched)
    command = ["run", "--methods", "mean,ridge,knn", "--datasets", "planted", "--data", data]
    return folder, watched, [*command, "--jobs", "1", "--out", folder / "r"]


def test_the_time_left_is_known_once_a_run_of_each_method_has_finished(grid):
    *lines, last = [line for line in grid[1].log.console.file.getvalue().splitlines() if line[0] == "["]
    assert re.search(r"; left: .*, unknown for 3 runs$", lines[0])
    assert re.search(r"; left: (less than 1|about \d+) s$", lines[1])
    assert "left" not in last
    assert grid[1].descriptions[0].startswith("all runs: 1 of 6, left: ")
    assert re.fullmatch(r"all runs: 3 of 6, left: (less than 1|about \d+) s", grid[1].descriptions[2])
    assert grid[1].descriptions[-1] == "all runs: 6 of 6"


def test_a_dry_run_states_time_memory_and_what_cannot_run(grid, tmp_path):
    folder, _, command = grid
    command = [*command[:2], f"{command[2]},lacking", *command[3:]]
    plugin = tmp_path / "lacking.py"
    plugin.write_text(
        "from stbench.methods import Method, register\n"
        '@register("lacking", family="baseline", paper="x", version="1", packages=("no-such-package",))\n'
        'class Lacking(Method):\n    "Needs a package."\n'
    )
    done = stbench(*command, "--splits", "4", "--plugin", plugin, "--dry-run")
    assert done.returncode == 0, done.stderr
    manifests = Results.open(folder / "r").manifests()
    ridge = median(m["wall_s"] for m in manifests if m["label"] == "ridge")
    mean = median(m["wall_s"] for m in manifests if m["label"] == "mean")
    lines = done.stdout.splitlines()
    assert sum("time unknown" in line for line in lines if line.startswith("would run knn")) == 4
    (known,) = [line for line in lines if line.startswith("would run ridge · planted · split 3")]
    assert re.search(r"\(default, cpu, \d+ MB, (less than 1|\d+) s\)$", known)
    (time,) = [line for line in lines if line.startswith("Time with 1 runs")]
    assert f"{duration(mean + ridge)}, unknown for 4 runs" in time
    assert re.search(r"Memory with 1 runs at the same time: at most 0\.\d GB", done.stdout)
    assert "cannot run lacking · planted · split 0 · seed 0: needs no-such-package: pip" in done.stdout
    assert "4 runs cannot be done here" in done.stdout
    assert "10 runs to do, 6 there already." in done.stdout


def test_quiet_and_verbose(grid):
    _, _, command = grid
    quiet = stbench(*command, "--dry-run", "--quiet")
    assert "planted: 60 of 60 cells" in stbench(*command, "--dry-run").stdout
    assert "planted: 60 of 60 cells" not in quiet.stdout
    assert "1 runs to do, 2 there already." in quiet.stdout
    with shown(RunOptions(quiet=True), Console(force_terminal=True)) as reporter:
        assert type(reporter) is Reporter
    both = stbench(*command, "--quiet", "--verbose")
    assert both.stderr == "Error: --quiet and --verbose exclude each other. Leave one of them out.\n"
    with shown(RunOptions(verbose=True), Console(force_terminal=True)) as reporter:
        assert isinstance(reporter, Lines)
