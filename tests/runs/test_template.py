"""Processes of runs that are forked from a warm template: the same answers, and the same promises."""

import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import anndata
import numpy as np
import psutil
import pytest
from scipy import sparse
from waiting import wait_for

from stbench.config.options import RunOptions
from stbench.data.prepare import prepare
from stbench.data.split import make_splits
from stbench.data.visible import visible_spatial
from stbench.datasets import Card
from stbench.exchange.taskfolder import TaskFile, write_tables
from stbench.plugins import load_plugin
from stbench.runs.benchmark import run
from stbench.runs.events import Reporter
from stbench.runs.process import Limits, Templates, finish, run_environment, start_run
from stbench.runs.template import Template
from stbench.testing.planted import planted_pair

PLUGINS = Path(__file__).parents[1] / "plugins"
SEARCHES, HARM = PLUGINS / "searching_method.py", PLUGINS / "harmful_methods.py"
MASK = 0x5A5A5A5A
VALUE = 1234567.0  # a count that no other gene has
MASKED = int(np.array(VALUE, np.float32).view(np.uint32)) ^ MASK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


def go(out, data, methods, **options):
    options = {"methods": methods, "datasets": "planted", "data": data, "out": out, "threads": 1} | options
    return run(RunOptions.of(options))


def predictions(out):
    return {file.parent.name: anndata.read_h5ad(file).X for file in out.glob("runs/*/prediction.h5ad")}


def test_forked_and_spawned_runs_give_the_same_bits(data_folder, tmp_path):
    for how in ("fork", "spawn"):
        go(tmp_path / how, data_folder, "knn,random,stplus", isolation=how, set=["stplus.max_epochs=2"])
    forked, spawned = (predictions(tmp_path / how) for how in ("fork", "spawn"))
    assert len(forked) == 3
    for key, values in forked.items():
        np.testing.assert_array_equal(values, spawned[key])


def found(folder: Path) -> int:
    return int((folder / "log.txt").read_text().split("found ")[1].split()[0])


@pytest.mark.parametrize("where", ["hidden", "visible"])
def test_no_hidden_value_is_in_the_memory_of_a_run(where, data_folder, tmp_path):
    """The search finds what the run may see, so that finding nothing means something."""
    reference, spatial = planted_pair()
    split = make_splits(prepare(reference, spatial, Card("planted", min_genes=1)).genes)[0]
    reference, spatial = planted_pair()
    genes = split.test if where == "hidden" else split.train
    values = spatial.X.toarray()
    values[:, spatial.var_names.isin(genes)] = VALUE
    values[0, spatial.var_names.isin(genes)] = 1  # no gene is constant
    spatial.X = sparse.csr_matrix(values)
    spatial.write_h5ad(data_folder / "planted" / "st.h5ad")
    settings = [f"searches.masked={MASKED}"]
    summary = go(tmp_path / "out", data_folder, "searches", plugin=SEARCHES, isolation="fork", set=settings)
    (key,) = summary.records
    assert (found(tmp_path / "out" / "runs" / key) > 0) == (where == "visible")


def test_a_template_that_holds_a_value_carries_it_into_its_runs(tmp_path):
    """What the test above would see if a template had read the truth."""
    tables, task = searching_task(tmp_path)
    (tmp_path / "leak.py").write_text(f"import numpy\ntruth = numpy.full(99, {VALUE}, numpy.float32)\n")
    for imports, expected in (((), False), (("leak",), True)):
        with closing(template_with(tmp_path, imports)) as template:
            process = start_run(tables, task, Limits(), parent=tmp_path, template=template)
            assert finish(process)["status"] == "ok"
        assert (found(process.folder) > 0) == expected


def test_the_peak_memory_of_a_run_is_its_own(tmp_path):
    tables, task = searching_task(tmp_path)
    (tmp_path / "hog.py").write_text("import numpy\nnumpy.ones(10**8)\n")
    with closing(template_with(tmp_path, ["hog"])) as template:
        outcome = finish(start_run(tables, task, Limits(), parent=tmp_path, template=template))
    assert 10**8 < outcome["peak_rss_bytes"] < 6 * 10**8  # the template had 8e8 for a moment


def searching_task(folder):
    """The tables of a planted task, and the task of a search for `VALUE` in it."""
    load_plugin(SEARCHES)
    pair = prepare(*planted_pair(), Card("planted", min_genes=1))
    split = make_splits(pair.genes)[0]
    pair.reference.write_h5ad(folder / "reference.h5ad")
    write_tables(folder / "tables", folder / "reference.h5ad", visible_spatial(pair.spatial, split, "counts"))
    return folder / "tables", TaskFile(
        method="searches", parameters={"masked": MASKED}, targets=list(split.test), units="counts", seed=0,
        threads=1, device="cpu", plugins=[str(SEARCHES)],
    )  # fmt: skip


def template_with(folder, imports):
    """A template that imports further modules, which lie in ``folder``."""
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return Template(run_environment(1, "") | {"PYTHONPATH": paths}, imports)


def test_a_grid_goes_on_when_its_template_is_killed(data_folder, tmp_path):
    killed = []

    class Kills(Reporter):
        def finished(self, spec, manifest):
            for child in psutil.Process().children():
                if not killed and "stbench.runs.template" in child.cmdline():
                    killed.append(child.pid)
                    child.kill()

    options = {"methods": "mean,harm_sleeps", "datasets": "planted", "data": data_folder, "plugin": HARM}
    options |= {"seeds": 3, "jobs": 2, "set": ["harm_sleeps.seconds=2"], "out": tmp_path / "out"}
    summary = run(RunOptions.of(options), Kills())
    assert killed
    assert [manifest["status"] for manifest in summary.records.values()] == ["ok"] * 6


def test_a_run_of_a_killed_template_keeps_its_limits(data_folder, tmp_path):
    class Kills(Reporter):
        def progress(self, spec, seconds, state):
            with suppress(psutil.Error):  # it is killed already
                for child in psutil.Process().children():
                    if "stbench.runs.template" in child.cmdline() and seconds > 1:
                        child.kill()

    options = {"methods": "harm_sleeps", "datasets": "planted", "data": data_folder, "plugin": HARM}
    options |= {"set": ["harm_sleeps.seconds=600"], "timeout": "4s", "out": tmp_path / "out"}
    (manifest,) = run(RunOptions.of(options), Kills()).records.values()
    assert manifest["status"] == "timeout"


def test_a_template_and_its_runs_end_with_the_grid(data_folder, tmp_path):
    command = [sys.executable, "-m", "stbench", "run", "--methods", "harm_sleeps", "--datasets", "planted"]
    command += ["--data", str(data_folder), "--plugin", str(HARM), "--set", "harm_sleeps.seconds=600"]
    grid = subprocess.Popen([*command, "--out", str(tmp_path / "out")], stdout=subprocess.DEVNULL)
    template, child = wait_for(lambda: _template_and_run(grid.pid))
    os.kill(grid.pid, signal.SIGKILL)
    grid.wait()
    wait_for(lambda: not template.is_running() and not _runs(child))


def _template_and_run(pid: int) -> tuple[psutil.Process, psutil.Process] | None:
    for template in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # the grid also starts processes that end at once
            for run in template.children():
                return template, run
    return None


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_pytorch_is_imported_only_for_methods_that_need_it():
    templates = Templates(threads=1)
    assert templates.of("mean") is templates.of("knn")
    assert templates.of("causalged") is templates.of("stplus")
    assert templates.of("mean") is not templates.of("causalged")
    templates.close()
    assert Templates(threads=1, fork=False).of("mean") is None
