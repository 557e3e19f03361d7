from __future__ import annotations

import shutil
import subprocess

import pytest

from stbench.leaderboard import REGISTRY
from stbench.leaderboard.latex import escape

needs_pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def compiled(file):
    """The log of a pdflatex run over ``file`` that must succeed."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name]
    done = subprocess.run(
        command, cwd=file.parent, capture_output=True, text=True, errors="replace", timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert file.with_suffix(".pdf").stat().st_size > 0
    return done.stdout


@pytest.fixture
def tex(board, tmp_path):
    """Text of ``table1.tex``."""
    paths = REGISTRY.get("latex")(board, tmp_path)
    assert [path.name for path in paths] == ["table1.tex", "table1_body.tex"]
    assert paths[1].read_text().split("\n", 1)[1] in paths[0].read_text()
    return paths[0].read_text()


def test_best_second_controls_and_failures(tex):
    lines = tex.splitlines()
    best = r"\textbf{0.400~$\pm$~0.141}"
    odd = r"odd(\allowbreak a\_\allowbreak b=\allowbreak 50\%\allowbreak )"
    assert rf"{odd} & cpu, reduced & {best} & {best} & \textbf{{0.400}} \\" in lines
    row = r"b & paper & \underline{0.000~$\pm$~0.141} & \textit{timeout (1 of 1)} & -- \\"
    assert row in lines
    controls = next(i for i, line in enumerate(lines) if "controls" in line)
    assert lines.index(row) < controls < lines.index(r"ceiling &  & 0.800~$\pm$~0.000 & -- & -- \\")


def test_a_long_name_may_break_into_lines(tex):
    assert "& embryo {[}\\allowbreak cells=\\allowbreak 20,\\allowbreak spots=" in tex
    assert r"& brain\_\allowbreak 1 &" in tex


def test_notes_are_in_the_file(tex):
    assert "rmse = sqrt(2 - 2 pcc) by algebra" in tex
    assert r"Mean $\pm$ sd over the test genes" in tex


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 50% #1 $x$ {y}", r"a\_b \& 50\% \#1 \$x\$ \{y\}"),
        ("~ ^ \\", r"\textasciitilde{} \textasciicircum{} \textbackslash{}"),
        ("<a> | \"b\" [c]*", r"\textless{}a\textgreater{} \textbar{} ''b'' {[}c{]}{*}"),
        ("one\ntwo\tthree", "one two three"),
        ("α ±", r"\texttt{U+03B1} $\pm$"),
    ],
)  # fmt: skip
def test_escape(text, expected):
    assert escape(text) == expected


@needs_pdflatex
def test_the_document_compiles(tex, tmp_path):
    assert "Overfull" not in compiled(tmp_path / "table1.tex")


@needs_pdflatex
def test_a_wide_board_with_awkward_names_compiles_and_fits(wide_board, tmp_path):
    REGISTRY.get("latex")(wide_board, tmp_path)
    log = compiled(tmp_path / "table1.tex")
    assert "Overfull" not in log
    assert "Float too large" not in log


@needs_pdflatex
def test_the_body_goes_into_a_two_column_paper(board, tmp_path):
    REGISTRY.get("latex")(board, tmp_path)
    paper = tmp_path / "paper.tex"
    paper.write_text(
        "\\documentclass[twocolumn]{article}\\usepackage{booktabs,array}"
        "\\begin{document}Text.\\input{table1_body}\\end{document}"
    )
    assert "Overfull" not in compiled(paper)


def test_ranks_without_a_test_over_two_methods(board, tmp_path):
    (path,) = REGISTRY.get("latex_ranks")(board, tmp_path)
    lines = path.read_text().splitlines()
    odd = r"odd(\allowbreak a\_\allowbreak b=\allowbreak 50\%\allowbreak ) {[}\allowbreak cpu{]}"
    assert rf"{odd} & 1.000 & 1.000 & 1.000 & -- & 0.400 & 0.500 & 2 of 2 \\" in lines
    assert r"b & -- & -- & 0.500 & -- & -- & -- & 1 of 2 \\" in lines
    assert "Friedman" not in path.read_text()
    assert "random" not in path.read_text()


def test_the_test_stands_in_the_caption(wide_board, tmp_path):
    (path,) = REGISTRY.get("latex_ranks")(wide_board, tmp_path)
    text = path.read_text()
    # six methods in the same order on all 37 datasets: chi-squared 37 x 5, q 2.850 (Demsar 2006, table 5)
    assert "Friedman: chi-squared 185.0" in text
    assert f"critical difference {2.850 * (6 * 7 / (6 * 37)) ** 0.5:.2f} at 5" in text
    row = next(line for line in text.splitlines() if line.startswith(r"method\_\allowbreak 7 "))
    assert row.split(" & ")[4] == "1.000"


@needs_pdflatex
def test_the_ranks_compile(wide_board, tmp_path):
    REGISTRY.get("latex_ranks")(wide_board, tmp_path)
    paper = tmp_path / "paper.tex"
    paper.write_text(
        "\\documentclass{article}\\usepackage{booktabs,array}"
        "\\begin{document}Text.\\input{ranks_body}\\end{document}"
    )
    assert "Overfull" not in compiled(paper)


def test_nothing_is_shrunk(tex):
    assert "resizebox" not in tex
    assert "scalebox" not in tex


def test_the_rules_are_those_of_booktabs(tex):
    lines = tex.splitlines()
    assert lines.count(r"\toprule") == lines.count(r"\bottomrule") == tex.count(r"\begin{tabular}")
    assert r"\hline" not in tex
    assert r"\usepackage{booktabs,array}" in tex
