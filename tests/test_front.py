"""The front of the repository: workflows, linters, hooks and the documentation's settings fit together."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def steps(workflow: Path) -> list[dict]:
    return [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]


def test_there_are_workflows():
    assert {file.stem for file in WORKFLOWS} == {"board", "docs", "release", "tests"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_are_pinned(workflow):
    """A tag can be moved to other code; a commit cannot. The comment says which version it is."""
    lines = re.findall(r"uses:\s*(.+)", workflow.read_text())
    assert len(lines) == sum("uses" in step for step in steps(workflow))  # every use is seen, by both readers
    for line in lines:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_an_action_has_one_version():
    pins = {
        tuple(line.split("@")) for file in WORKFLOWS for line in re.findall(r"uses:\s*(.+)", file.read_text())
    }
    assert len(pins) == len({action for action, _ in pins})


def test_tested_pythons_are_the_supported_ones():
    (job,) = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"].values()
    tested = job["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: 3."
    classified = [c.removeprefix(prefix[:-2]) for c in PROJECT["classifiers"] if c.startswith(prefix)]
    assert tested == classified
    supported = SpecifierSet(PROJECT["requires-python"])
    assert all(Version(python) in supported for python in tested)
    oldest = Version(tested[0])
    assert Version(f"{oldest.major}.{oldest.minor - 1}") not in supported


def test_only_the_publishing_job_may_prove_who_it_is():
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert "permissions" not in build
    assert publish["permissions"] == {"id-token": "write"}
    assert any(step.get("run") == ".ci/run" for step in build["steps"])


@pytest.mark.parametrize("failing", [None, "ruff check .", "ruff format --check .", "mypy", "test"])
def test_ci_runs_everything_and_fails_if_anything_does(failing, tmp_path):
    """`.ci/run` beside stand-ins that write what they are called with; ``failing`` is the one that fails."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "environment.sh").write_text("set -euo pipefail\n")
    stand_in = f'#!/bin/sh\ncall="$(basename $0)${{1:+ $*}}"\necho "$call"\n[ "$call" != "{failing}" ]\n'
    for program in (".venv/bin/ruff", ".venv/bin/mypy", "test"):
        (tmp_path / program).write_text(stand_in)
        (tmp_path / program).chmod(0o755)
    done = subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["ruff check .", "ruff format --check .", "mypy", "test"], done.stderr
    assert done.returncode == (failing is not None)


def test_hooks_are_the_linters_of_ci():
    """One list of versions: the hooks start the programs of ``.venv``, and `.ci/run` the same ones."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    called = (ROOT / ".ci" / "run").read_text()
    for hook in repository["hooks"]:
        assert hook["entry"].removesuffix(" --fix") in called


def test_documentation_is_built_from_what_exists():
    hosted = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text())
    assert (ROOT / hosted["sphinx"]["configuration"]).is_file()
    assert hosted["sphinx"]["fail_on_warning"] is True
    commands = [step["run"] for step in steps(ROOT / ".github/workflows/docs.yml") if "run" in step]
    *install, build = commands
    assert install == hosted["build"]["jobs"]["install"]
    assert build.startswith("python -m sphinx -W ")
    assert (ROOT / build.split()[-2] / "conf.py").is_file()


@pytest.mark.parametrize(
    "file", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda file: file.stem
)
def test_issue_forms_are_valid(file):
    form = yaml.safe_load(file.read_text())
    assert form["name"]
    assert form["description"]
    assert all(part["attributes"]["label"] for part in form["body"])


def test_scripts_can_be_executed():
    assert all(os.access(ROOT / name, os.X_OK) for name in (".ci/run", "run", "test", "tools/oldest"))


def test_nothing_of_the_project_is_ignored():
    """What git ignores, the wheel lacks and the linter does not see."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""
