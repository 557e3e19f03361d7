from __future__ import annotations

import shutil
import subprocess

import pytest

from stbench.leaderboard import REGISTRY


def test_ranks_without_a_test_over_two_methods(board, tmp_path):
    (path,) = REGISTRY.get("latex_ranks")(board, tmp_path)
    lines = path.read_text().splitlines()
    assert r"odd(a\_b=50\%) & 1.000 & 1.000 & 1.000 & -- & 0.400 & 0.500 & 2 of 2 \\" in lines
    assert r"b & -- & -- & 0.500 & -- & -- & -- & 1 of 2 \\" in lines
    assert "Friedman" not in path.read_text()
    assert "random" not in path.read_text()


def test_the_test_stands_in_the_caption(wide_board, tmp_path):
    (path,) = REGISTRY.get("latex_ranks")(wide_board, tmp_path)
    text = path.read_text()
    # six methods in the same order on all 37 datasets: chi-squared 37 x 5, q 2.850 (Demsar 2006, table 5)
    assert "Friedman: chi-squared 185.0" in text
    assert f"critical difference {2.850 * (6 * 7 / (6 * 37)) ** 0.5:.2f} at 5" in text
    row = next(line for line in text.splitlines() if line.startswith(r"method\_7 &"))
    assert row.split(" & ")[4] == "1.000"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles(wide_board, tmp_path):
    REGISTRY.get("latex_ranks")(wide_board, tmp_path)
    paper = tmp_path / "paper.tex"
    paper.write_text(
        "\\documentclass{article}\\usepackage{graphicx}"
        "\\begin{document}Text.\\input{ranks_body}\\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", paper.name]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
