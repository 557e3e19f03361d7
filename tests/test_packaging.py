"""The wheel, outside the checkout: what a user gets."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("methods", "datasets", "metrics", "leaderboard")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A clean environment with the built wheel; the dependencies are borrowed from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    site = next((folder / "env" / "lib").glob("python3*/site-packages"))
    (wheel,) = folder.glob("stbench-*.whl")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    # a path file inside a path file is not read, so the editable install does not come along
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def run(python, *arguments, cwd):
    code = "from stbench.cli import main; main()"
    return subprocess.run(
        [str(python), "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


def test_wheel_runs_outside_the_checkout(installed, tmp_path):
    where = subprocess.run(
        [str(installed), "-c", "import stbench; print(stbench.__file__)"],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert str(ROOT) not in where.stdout
    listed = run(installed, "list", "methods", cwd=tmp_path)
    assert "kernel" in listed.stdout
    assert "BROKEN" not in listed.stdout
    done = run(installed, "run", "--methods", "mean,ridge", "--datasets", "all", "--out", "r", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ridge · pdac_a_mini · split 0 · seed 0: ok" in done.stdout
    assert (tmp_path / "r" / "leaderboard" / "table1.tex").is_file()


def test_content_folders_never_hide_a_package():
    for kind in KINDS:
        assert not (ROOT / kind / "__init__.py").exists()


def test_a_file_name_exists_once():
    for kind in KINDS:
        inside = {path.stem for path in (ROOT / "stbench" / kind).iterdir() if path.name != "__pycache__"}
        content = {path.stem for path in (ROOT / kind).iterdir() if path.name != "__pycache__"}
        assert not (inside - {"__init__"}) & content
