"""The pages of docs/ as a reader follows them: every command is run, every file is written."""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


def follow(page: Path, folder: Path) -> list[str]:
    """Write the page's files, run its console blocks in ``folder``; the commands, in order.

    A block of code whose first line is a comment with a file's name is that file. The lines below a command
    are the first lines that it must print.
    """
    commands = []
    for language, text in re.findall(r"^```(console|python|toml)\n(.*?)^```$", page.read_text(), re.S | re.M):
        if language != "console":
            first, content = text.split("\n", 1)
            if re.fullmatch(r"# \S+\.\w+", first):
                (folder / first.removeprefix("# ")).write_text(content)
            continue
        for block in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, *expected = block.splitlines()
            commands.append(command)
            program, *arguments = shlex.split(command)
            programs = {"python": [], "stbench": ["-c", "from stbench.cli import main; main()"]}
            done = subprocess.run(
                [sys.executable, *programs[program], *arguments],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            assert done.stdout.splitlines()[: len(expected)] == expected
    return commands


def rows(folder: Path) -> dict[str, str]:
    with (folder / "results" / "leaderboard" / "leaderboard.csv").open(newline="") as file:
        return {row["method"]: row["status"] for row in csv.DictReader(file)}


def test_new_method_to_leaderboard_row(tmp_path):
    commands = follow(DOCS / "add-a-method.md", tmp_path)
    assert rows(tmp_path).items() >= {"nearest_gene": "ok", "ridge_genes": "ok", "knn": "ok"}.items()
    assert len(commands) < 15
    assert len((tmp_path / "nearest_gene.py").read_text().strip().splitlines()) <= 30


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="Rscript is not installed")
def test_external_methods(tmp_path):
    follow(DOCS / "external-methods.md", tmp_path)
    assert rows(tmp_path).items() >= {"my_method": "ok", "knn": "ok"}.items()
