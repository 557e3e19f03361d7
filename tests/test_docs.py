"""The pages of docs/ as a reader follows them: every command is run, every file is written."""

import csv
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import venv
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from command import stbench

from stbench.board.scoretable import read_scores
from stbench.methods import REGISTRY as METHODS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def follow(page: Path, folder: Path, python: str = sys.executable) -> list[str]:
    """Write the page's files, run its console blocks in ``folder``; the commands, in order.

    ``python`` is the interpreter of the page's own programs.

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
            done = call(command, folder, python)
            assert done.stdout.splitlines()[: len(expected)] == expected
    return commands


def call(command: str, folder: Path, python: str = sys.executable) -> subprocess.CompletedProcess:
    """Run a command of a page, which must succeed."""
    program, *arguments = shlex.split(command)
    if program == "stbench":
        done = stbench(*arguments, cwd=folder)
    else:
        assert program == "python"
        run = [python, *arguments]
        done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def rows(folder: Path, results: str = "results") -> dict[str, str]:
    """Status by method in the leaderboard that a run left."""
    with (folder / results / "leaderboard" / "leaderboard.csv").open(newline="") as file:
        return {row["method"]: row["status"] for row in csv.DictReader(file)}


def test_new_method_to_leaderboard_row(tmp_path):
    commands = follow(DOCS / "add-a-method.md", tmp_path)
    assert rows(tmp_path).items() >= {"nearest_gene": "ok", "ridge_genes": "ok", "knn": "ok"}.items()
    assert len(commands) < 15
    assert len((tmp_path / "nearest_gene.py").read_text().strip().splitlines()) <= 30


def test_wrappers(tmp_path):
    commands = follow(DOCS / "wrappers.md", tmp_path)
    assert len(commands) == 2
    assert rows(tmp_path).items() >= {"knn": "ok", "conformal(knn)": "ok", "sprite(knn)": "ok"}.items()


@pytest.fixture
def tables(tmp_path):
    """The two tables that the README calls the reader's own, with seven genes that space did not measure."""
    rng = np.random.default_rng(0)
    loads = rng.normal(size=(3, 40))
    for name, n_rows, n_genes in (("cells", 200, 40), ("spots", 150, 33)):
        rates = np.exp(rng.normal(size=(n_rows, 3)) @ loads[:, :n_genes] / 2)
        table = AnnData(rng.poisson(rates).astype("float32"))
        table.var_names = [f"gene{i}" for i in range(n_genes)]
        table.obsm["spatial"] = rng.uniform(size=(n_rows, 2))
        table.write_h5ad(tmp_path / f"{name}.h5ad")


def test_readme(tmp_path, tables):
    assert len(follow(ROOT / "README.md", tmp_path)) == 9
    assert (tmp_path / "board" / "index.html").is_file()
    imputed = read_h5ad(tmp_path / "imputed.h5ad")
    assert sorted(imputed.var_names) == [f"gene{i}" for i in range(33, 40)]
    assert rows(tmp_path, "mine").items() >= {"my_method": "ok", "knn": "ok"}.items()


def test_ablations(tmp_path):
    """The page's sweep, at a size for a test."""
    (tmp_path / "methods").symlink_to(ROOT / "methods")
    commands = re.findall(r"^\$ (.*)$", (DOCS / "causalged.md").read_text(), re.M)
    tiny = {"steps": 4, "pretrain_steps": 2, "val_every": 2, "hidden": 16, "width": 16, "sample_steps": 3}
    options = "".join(f" --set causalged.{name}={value}" for name, value in tiny.items())
    call(f"{commands[0]} --limit cells=60,spots=40{options}", tmp_path)
    made = [method for method, status in rows(tmp_path, "ablation").items() if status == "ok"]
    assert sum("ar_steps=one" in method for method in made) == 1
    assert sum(method.startswith("causalged(") for method in made) == 2


def test_the_commands_at_the_root_are_those_of_the_readme():
    if not (ROOT / ".venv" / "stamp").is_file():
        pytest.skip("./run would make .venv: run ./test")
    done = subprocess.run(["./run", "list", "methods"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "causalged-kernel" in done.stdout
    assert "run --methods causalged,tangram --datasets all" in (ROOT / "run").read_text()


@pytest.mark.parametrize("page", ["install", "data", "running", "extend", "protocol", "tutorials/analyst"])
def test_page(page, tmp_path):
    assert follow(DOCS / f"{page}.md", tmp_path)


def test_every_page_with_commands_is_followed():
    followed = {
        "add-a-method",
        "blind-exchange",
        "external-methods",
        "causalged",
        "data",
        "running",
        "extend",
        "install",
        "protocol",
        "analyst",
        "wrappers",
    }
    found = {page.stem for page in DOCS.rglob("*.md") if "```console" in page.read_text()}
    assert found == followed


class Page(HTMLParser):
    """The links and the anchors of a page, and the largest number of cells in a row of a table."""

    def __init__(self, file: Path):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.widest = self.cells = 0
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors.add(found.get("id", ""))
        link = found.get("href") if tag == "a" else found.get("src") if tag == "img" else None
        if link and not re.match(r"[a-z]+:", link):
            self.links.append(link)
        if tag == "tr":
            self.cells = 0
        self.cells += tag in ("td", "th")
        self.widest = max(self.widest, self.cells)


def broken_links(folder: Path) -> list[str]:
    """The links between the pages of a folder that lead nowhere, with their page."""
    boards = folder / "board"  # a board has tests of its own
    files = [file for file in folder.rglob("*.html") if file.parent != boards]
    pages = {file.resolve(): Page(file) for file in files}
    broken = []
    for file, page in pages.items():
        for link in page.links:
            path, _, anchor = unquote(link).partition("#")
            goal = (file.parent / path).resolve() if path else file
            if not goal.is_file() or (anchor and goal in pages and anchor not in pages[goal].anchors):
                broken.append(f"{file.name}: {link}")
    return broken


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "index.html").write_text('<a href="a.html#here">1</a><a href="https://doi.org/1">2</a>')
    (tmp_path / "a.html").write_text('<h1 id="here"></h1><a href="#there">1</a><img src="no.png">')
    assert broken_links(tmp_path) == ["a.html: #there", "a.html: no.png"]


def test_the_docs_are_built_without_warnings(tmp_path):
    """Examples are executed on the way, pages of all plugins are made, and no link leads nowhere."""
    html = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", DOCS, html]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert broken_links(html) == []
    documented = {file.stem for file in (html / "generated" / "methods").glob("*.html")}
    assert documented == {*METHODS.names(), *METHODS.wrappers.names()}
    text = (html / "generated" / "methods" / "spage.html").read_text()
    assert "SpaGE" in text
    assert "maps_spage.png" in text
    assert "&lt;lambda&gt;" not in (html / "api.html").read_text()
    assert Page(html / "board.html").widest == 10
    page = (html / "tutorials" / "analyst.html").read_text()
    assert re.search(r"measure its accuracy: 20 runs in \d+ s", page)  # progress in a notebook
    assert "predict the genes: 320 of 320 genes" in page
    assert "AnnData object with n_obs × n_vars = 250 × 400" in page
    cells = re.findall(
        r"```\{code-cell\} ipython3\n(.*?)```", (DOCS / "tutorials/analyst.md").read_text(), re.S
    )
    assert sum(bool(line) for cell in cells for line in cell.splitlines()) < 20


def script(name: str):
    """A script of the tools folder as a module."""
    file = ROOT / "tools" / f"{name}.py"
    if not file.is_file():
        pytest.skip("needs the tools folder of the checkout")
    spec = importlib.util.spec_from_file_location(name, file)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_the_published_board_is_made_from_its_scores(tmp_path):
    """Its tables are those of the scores; its rows are the ten systems of the paper and more."""
    tool = script("published_board")
    board = read_scores(tool.SCORES)
    tool.write_pages(board, tmp_path)
    page = (DOCS / "board.md").read_text(encoding="utf-8")
    assert tool.filled(page, tool.tables(tmp_path)) == page, "Run python tools/published_board.py."
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tool.filled(readme, tool.summary(board)) == readme, "Run python tools/published_board.py."
    ten = {"causalged", "spadit", "stdiff", "spatialscope", "tangram", "scvi", "spage", "stplus", "novosparc"}
    assert ten | {"spaotsc"} <= set(board.runs["method"])
    assert tool.SCORES.stat().st_size < 2e6


def test_evidence_finds_a_property_that_decides_and_none_in_noise():
    """One method is good where a property is high, another where it is low."""
    tool = script("evidence")
    depth, names = np.linspace(0, 1, 10), [f"tissue{i}" for i in range(10)]
    scores = pd.DataFrame([0.3 + 0.2 * depth, 0.5 - 0.2 * depth], index=["deep", "sparse"], columns=names)
    tissues = pd.DataFrame({"depth": depth}, index=names)
    found = tool.associations(scores, tissues)
    assert found["correlation"].to_dict() == pytest.approx({"deep": 1, "sparse": -1})
    best, similar, known = tool.choices(scores, tissues)
    assert known == pytest.approx(similar, abs=0.005)
    assert best < similar - 0.04
    noise = tissues.assign(depth=[3, 9, 0, 6, 1, 8, 2, 7, 4, 5])
    assert (tool.associations(scores, noise)["p"] > 0.3).all()


@pytest.fixture
def plain_numpy(tmp_path):
    """The interpreter of an environment that has numpy and nothing else."""
    environment = tmp_path / "elsewhere"
    venv.create(environment, symlinks=True)
    (site,) = (environment / "lib").glob("python3*/site-packages")
    for package in Path(np.__file__).parent.parent.glob("numpy*"):
        (site / package.name).symlink_to(package)
    python = str(environment / "bin" / "python")
    for package, found in (("numpy", True), ("pandas", False), ("stbench", False)):
        test = [python, "-c", f"import {package}"]
        done = subprocess.run(test, cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode == 0) == found
    return python


def test_blind_exchange(tmp_path, plain_numpy):
    """Export, predictions by the program of the page in another environment, submission, board."""
    assert len(follow(DOCS / "blind-exchange.md", tmp_path, plain_numpy)) == 7
    alone, together = (
        pd.read_csv(tmp_path / board / "leaderboard.csv").query("metric == 'pcc'").set_index("method")
        for board in ("board", "board_together")
    )
    theirs = alone.loc["their_ridge"]
    assert theirs[["kind", "preset", "status"]].tolist() == ["submitted", "run elsewhere", "ok"]
    assert together["mean"].equals(alone["mean"])
    assert theirs["mean"] > alone.loc["random", "mean"]
    ranks = {name: (tmp_path / name / "leaderboard.md").read_text() for name in ("board", "board_together")}
    row = r"^\| their\\_ridge \| submitted \| run elsewhere \| {} \|"
    assert re.search(row.format("–"), ranks["board"], re.M)
    assert re.search(row.format(r"[01]\.\d\d\d"), ranks["board_together"], re.M)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="Rscript is not installed")
def test_external_methods(tmp_path):
    follow(DOCS / "external-methods.md", tmp_path)
    assert rows(tmp_path).items() >= {"my_method": "ok", "knn": "ok"}.items()
