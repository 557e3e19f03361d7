"""`stbench new`: what it writes, where, and that it works."""

import subprocess
import sys
from pathlib import Path

import pytest

from stbench.errors import StbenchError
from stbench.scaffold import FOLDERS, Place, new_external, new_plugin

ROOT = Path(__file__).resolve().parent.parent


def elsewhere(folder):
    return Place(folder, folder, in_checkout=False)


def test_the_place_is_the_checkout_or_the_current_folder(tmp_path):
    inside = Place.of("renderer", ROOT / "docs")
    assert inside == Place(ROOT / "leaderboard", ROOT / "tests" / "leaderboard", in_checkout=True)
    assert Place.of("renderer", tmp_path) == elsewhere(tmp_path)


def test_every_new_plugin_passes_its_own_test(tmp_path):
    for kind in FOLDERS:
        new_plugin(kind, f"new_{kind}", elsewhere(tmp_path))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


@pytest.mark.parametrize("in_checkout", [True, False])
@pytest.mark.parametrize("configuration", [["--config", str(ROOT / "pyproject.toml")], ["--isolated"]])
def test_the_code_is_what_a_linter_accepts(tmp_path, in_checkout, configuration):
    """Tests included, with our configuration and with that of ruff itself."""
    place = Place(tmp_path, tmp_path, in_checkout)
    for kind in FOLDERS:
        new_plugin(kind, f"new_{kind}", place)
    new_external("new_external", "python", place)
    ruff = [sys.executable, "-m", "ruff", "check", *configuration, str(tmp_path)]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff is not installed")
    assert done.returncode == 0, done.stdout


def test_in_a_checkout_the_card_is_where_the_registry_looks(tmp_path):
    place = Place(tmp_path / "methods", tmp_path / "tests" / "methods", in_checkout=True)
    written = new_external("new_external", "r", place)
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        "methods/new_external/method.toml",
        "methods/new_external/predict.R",
        "tests/methods/test_new_external.py",
    ]
    assert "load_plugin" not in written[-1].read_text()


def test_nothing_is_overwritten(tmp_path):
    plugin, test = new_plugin("metric", "mine", elsewhere(tmp_path))
    plugin.unlink()
    test.write_text("my work")
    with pytest.raises(StbenchError, match="test_mine.py' exists already"):
        new_plugin("metric", "mine", elsewhere(tmp_path))
    assert test.read_text() == "my work"
    assert not plugin.exists()


@pytest.mark.parametrize("name", ["My", "1st", "a-b", "a.b", ""])
def test_a_name_is_one_that_python_can_import(name, tmp_path):
    with pytest.raises(StbenchError, match="is no plugin name"):
        new_plugin("method", name, elsewhere(tmp_path))
    assert not list(tmp_path.iterdir())
