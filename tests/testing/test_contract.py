"""Every registered method keeps the contract, and the checks of the contract find what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stbench.config.variants import choose_preset, configure
from stbench.exchange.external import External
from stbench.methods import REGISTRY
from stbench.plugins import load_plugin
from stbench.testing.contract import CHECKS, examine

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
    load_plugin(Path(__file__).parents[1] / "plugins" / "broken_contract.py")


@pytest.mark.usefixtures("_broken_methods")
@pytest.mark.parametrize("check", CHECKS)
def test_a_check_finds_what_breaks_it(check, tmp_path):
    broken = REGISTRY.get(f"breaks_{check.replace(' ', '_')}")()
    with pytest.raises(Exception, match=".") as error:
        CHECKS[check].run(broken, tmp_path)
    assert not isinstance(error.value, AssertionError)
    CHECKS[check].run(REGISTRY.get("breaks_nothing")(), tmp_path)


@pytest.mark.usefixtures("_broken_methods")
def test_the_verdict_names_the_error_and_its_line(tmp_path):
    verdicts = {
        verdict.check.name: verdict for verdict in examine(REGISTRY.get("breaks_intensities")(), tmp_path)
    }
    assert [name for name, verdict in verdicts.items() if verdict.problem] == ["intensities"]
    assert "KeyError" in verdicts["intensities"].problem
    assert verdicts["intensities"].check.remedy == "Use X, or call task.require_counts() first."
