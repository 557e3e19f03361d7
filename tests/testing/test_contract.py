"""Every registered method keeps the contract, and the checks of the contract find what breaks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stbench.cli.check import app
from stbench.config.variants import choose_preset, configure
from stbench.data.visible import visible_spatial
from stbench.exchange.external import External
from stbench.methods import REGISTRY, Context
from stbench.plugins import load_plugin
from stbench.testing import contract, probes
from stbench.testing.contract import CHECKS, check_method
from stbench.testing.planted import planted_task
from stbench.testing.probes import Breach
from stbench.toolbox.sandbox import global_parts, no_traces

PLUGIN = Path(__file__).parents[1] / "plugins" / "broken_contract.py"

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
    "cellpin": {
        "n_latent": 4,
        "n_hidden": 16,
        "encoder_layers": 1,
        "pretrain_epochs": 1,
        "train_epochs": 1,
    },
    "scvi": {"max_steps": 32},
    "spaim": {"epochs": 3},
    "spatialscope": {"max_updates": 6, "n_levels": 3, "n_inner": 1, "n_replicates": 1, "val_spots": 20},
    "spadit": {"hidden": 8, "depth": 1, "heads": 2, "max_updates": 4, "check_every": 2, "sampling_steps": 2},
    "stplus": {"n_hidden": 50},
    "stdiff": {"width": 16, "depth": 1, "heads": 2, "max_updates": 4, "checks": 2},
    "tangram": {"num_epochs": 20},
}

WRAPPED = [f"{wrapper}(knn)" for wrapper in REGISTRY.wrappers.names()]
TINY |= {name: {"n_folds": 3} for name in WRAPPED}
NAMES = REGISTRY.names() + WRAPPED
every_method = pytest.mark.parametrize("name", NAMES)


@every_method
@pytest.mark.parametrize("check", CHECKS)
def test_contract(name, check, tmp_path):
    cls = REGISTRY.get(name)
    missing = cls.missing() if issubclass(cls, External) else ""
    if missing:
        pytest.skip(missing)
    method = configure(cls, choose_preset(cls, "cpu" if cls.presets else None, "cpu"), TINY.get(name, {}))
    CHECKS[check].run(method, tmp_path)


@every_method
def test_has_a_test_of_its_own(name):
    tests = list((Path(__file__).parents[1] / "methods").glob("test_*.py"))
    assert any(f'"{name}"' in file.read_text() or file.stem == f"test_{name}" for file in tests), (
        f"add tests/methods/test_{name}.py"
    )


@pytest.fixture(scope="module")
def _broken_methods():
    load_plugin(PLUGIN)


@pytest.mark.usefixtures("_broken_methods")
@pytest.mark.parametrize("check", CHECKS)
def test_a_check_finds_what_breaks_it(check, tmp_path):
    broken = REGISTRY.get(f"breaks_{check.replace(' ', '_')}")()
    with pytest.raises(Exception, match=".") as error:
        CHECKS[check].run(broken, tmp_path)
    assert not isinstance(error.value, AssertionError)
    assert "leak" not in str(error.value)  # also where the answer changes from process to process
    CHECKS[check].run(REGISTRY.get("breaks_nothing")(), tmp_path)


def broken(how):
    return REGISTRY.get("breaks_one_thing")(how)


@pytest.mark.usefixtures("_broken_methods")
@pytest.mark.parametrize(
    ("how", "check", "problem", "code"),
    [
        ("crash", "shape", "IndexError: index", "values = values[:, len(task.targets)]"),
        ("exit", "shape", "SystemExit: 1", "raise SystemExit(1)"),
        ("hidden gene", "shape", "its spatial values are hidden", "values = dense(task.spatial[:, "),
        ("seeds numpy", "side effects", "the global generator of numpy", "np.random.seed(ctx.seed)"),
        ("seeds random", "side effects", "the global generator of random", "random.seed(ctx.seed)"),
        ("seeds torch", "side effects", "the global generator of torch", "torch.manual_seed(ctx.seed)"),
        ("draws", "side effects", "the global generator of numpy", "values = values + np.random.normal()"),
        ("helper", "side effects", "the global generator of random", "return random.random()"),
        ("log level", "side effects", "the log level", "logging.getLogger().setLevel"),
        ("warnings", "side effects", "the warning filters", 'warnings.simplefilter("ignore")'),
        ("threads", "side effects", "the number of threads of torch", "torch.set_num_threads(3)"),
        ("centres", "side effects", "task.spatial", 'task.spatial.obsm["spatial"] -= '),
        ("unseeded", "seed", "in a second run with the same seed", "def predict("),
    ],
)
def test_the_report_ends_at_the_first_cause_and_names_its_line(how, check, problem, code, tmp_path):
    *passed, last = check_method(broken(how), tmp_path)
    names = list(CHECKS)
    assert [verdict.check.name for verdict in passed] == names[: names.index(check)]
    assert not any(verdict.problem for verdict in passed)
    assert last.check.name == check
    assert problem in last.problem
    assert "leak" not in last.problem + last.remedy
    file, number, shown = last.line.split(":", 2)
    assert Path(file).name == "broken_contract.py"
    assert shown.strip().startswith(code)
    assert Path(PLUGIN).read_text().splitlines()[int(number) - 1].strip() == shown.strip()


@pytest.mark.usefixtures("_broken_methods")
def test_global_seeding_is_found_where_it_sets_the_state_that_was_there(tmp_path):
    with no_traces("cpu"):
        broken("seeds numpy").predict(planted_task(), Context())
        *_, last = check_method(broken("seeds numpy"), tmp_path)
    assert "numpy" in last.problem


@pytest.mark.usefixtures("_broken_methods")
def test_global_seeding_that_is_put_back_is_allowed_and_the_check_leaves_no_traces(tmp_path):
    CHECKS["side effects"].run(broken("sandboxed"), tmp_path)
    before = {name: get() for name, (get, _) in global_parts("cpu").items()}
    for how in ("seeds torch", "log level", "threads"):
        with pytest.raises(Breach):
            CHECKS["side effects"].run(broken(how), tmp_path)
    assert {name: get() for name, (get, _) in global_parts("cpu").items()} == before


@pytest.mark.usefixtures("_broken_methods")
def test_a_leak_through_a_global_is_found(tmp_path, monkeypatch):
    def leaky(truth, split, units):  # the hidden values reach the process of the method by a global
        monkeypatch.setenv("PLANTED_LEAK", str(truth[:, list(split.test)].X.sum()))
        return visible_spatial(truth, split, units)

    monkeypatch.setattr(probes, "visible_spatial", leaky)
    with pytest.raises(Breach, match="hidden values change, so they leak"):
        CHECKS["own process"].run(broken("leak"), tmp_path)


@pytest.mark.usefixtures("_broken_methods")
def test_fast_leaves_out_what_starts_processes_or_comes_too_late(tmp_path, monkeypatch):
    done = CliRunner().invoke(app, ["method", "breaks_nothing", "--fast", "--plugin", str(PLUGIN)])
    assert done.exit_code == 0, done.stdout
    assert done.stdout.count("  ok  ") == len(CHECKS) - 2
    last = f"{len(CHECKS) - 2} checks passed, not checked: own process, cost. Do so without --fast."
    assert done.stdout.splitlines()[-1] == last
    monkeypatch.setattr(contract, "FAST_SECONDS", -1)
    assert list(check_method(REGISTRY.get("breaks_nothing")(), tmp_path, fast=True)) == []


def test_the_command_prints_one_failure_its_line_and_one_remedy():
    command = ["method", "breaks_one_thing", "--plugin", str(PLUGIN), "--set", "breaks_one_thing.how=crash"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert done.stdout.count("FAILED") == done.stdout.count("to change: Correct this line;") == 1
    assert re.search(r"at: .*broken_contract.py:\d+: values = values\[:, len\(task.targets\)\]", done.stdout)
    assert f"1 failed, {len(CHECKS) - 2} not checked." in done.stdout
