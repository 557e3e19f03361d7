"""External methods: cards, the task folder as other programs see it, R, and another environment."""

import csv
import json
import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from scipy.io import mmread

from stbench.errors import StbenchError, Unsupported
from stbench.exchange.taskfolder import InvalidPrediction
from stbench.exchange.textfolder import read_answer, write_table
from stbench.files import cache_folder
from stbench.methods import REGISTRY, Context
from stbench.plugins import load_plugin
from stbench.scaffold import Place, new_external
from stbench.testing.planted import planted_task

CARD = """
name = "{name}"
family = "baseline"
paper = "stbench tests"
version = "1"
summary = "A test."
command = {command}
format = "text"
[parameters]
power = 2.0
"""
MEAN = """
import csv, os, sys
spots = list(csv.DictReader(open("spatial/obs.csv")))
targets = [row["name"] for row in csv.DictReader(open("targets.csv"))]
with open("prediction.csv", "w", newline="") as file:
    answer = csv.writer(file)
    answer.writerow(["", *targets])
    answer.writerows([spot["name"], *[1.5] * len(targets)] for spot in reversed(spots))
"""


def stbench(*arguments, cwd, **environment):
    code = "from stbench.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, check=False, env=os.environ | environment
    )


@pytest.fixture
def make_card(tmp_path):
    """A function that registers an external method whose program is the given Python text."""

    def make(name, program):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "program.py").write_text(program)
        command = json.dumps([sys.executable, "{here}/program.py", "{task}"])
        (folder / f"{name}.toml").write_text(CARD.format(name=name, command=command))
        load_plugin(folder / f"{name}.toml")
        return REGISTRY.get(name)

    return make


def test_a_program_gets_the_task_and_its_answer_is_matched_by_name(make_card, tmp_path):
    task = planted_task()
    answer = make_card("ext_mean", MEAN)().predict(task, Context(scratch=tmp_path))
    np.testing.assert_array_equal(answer.mean, np.full((task.spatial.n_obs, len(task.targets)), 1.5))
    assert answer.lower is None


def test_bounds_come_along(make_card, tmp_path):
    bounds = MEAN + "\nimport shutil\nshutil.copy('prediction.csv', 'lower.csv')\n"
    bounds += "shutil.copy('prediction.csv', 'upper.csv')\n"
    answer = make_card("ext_bounds", bounds)().predict(planted_task(), Context(scratch=tmp_path))
    assert (answer.lower == 1.5).all()
    assert answer.level == 0.9


def test_task_json_keeps_its_schema_and_holds_the_parameters(make_card, tmp_path):
    kept = tmp_path / "kept.json"
    cls = make_card("ext_keeps", f"import shutil\nshutil.copy('task.json', {str(kept)!r})\n" + MEAN)
    task = planted_task()
    cls(power=0.5).predict(task, Context(seed=3, scratch=tmp_path))
    content = json.loads(kept.read_text())
    jsonschema.validate(content, json.loads((files("stbench.exchange") / "task.schema.json").read_text()))
    assert content["parameters"] == {"power": 0.5}
    assert content["seed"] == 3
    assert content["targets"] == task.targets


def test_the_environment_is_clean(make_card, tmp_path, monkeypatch):
    monkeypatch.setenv("STBENCH_DATA", "/secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    kept = tmp_path / "environment.json"
    program = f"import json, os\njson.dump(dict(os.environ), open({str(kept)!r}, 'w'))\n"
    make_card("ext_env", program + MEAN)().predict(planted_task(), Context(scratch=tmp_path, threads=1))
    environment = json.loads(kept.read_text())
    assert "/secret" not in environment.values()
    assert not {"PYTHONPATH", "STBENCH_DATA"} & set(environment)
    assert environment["PYTHONHASHSEED"] == "0"  # sets come in the same order in every run
    assert environment["OMP_NUM_THREADS"] == "1"
    assert Path(environment["HOME"]).is_relative_to(tmp_path)


def test_the_versions_command_is_asked(tmp_path):
    def made(name, code):
        file = tmp_path / f"{name}.toml"
        text = CARD.format(name=name, command=json.dumps([sys.executable]))
        versions = json.dumps([sys.executable, "-c", code])
        file.write_text(text.replace("[parameters]", f"versions = {versions}\n[parameters]"))
        load_plugin(file)
        return REGISTRY.get(name)

    assert made("ext_two", "print('moscot 0.5'); print('jax 1.2')").versions() == {
        "moscot": "0.5",
        "jax": "1.2",
    }
    with pytest.raises(StbenchError, match="Card of 'ext_bad'.*printed: no such package"):
        made("ext_bad", "import sys; sys.exit('no such package')").versions()
    with pytest.raises(StbenchError, match="a name and a version per line, but printed: just words here"):
        made("ext_words", "print('just words here')").versions()


@pytest.mark.parametrize(
    "text",
    [
        '"","A","B"\n"001",0.1,2\n"1e3",3,4\n',  # write.csv of R
        "A,B\n001,0.1,2\n1e3,3,4\n",  # write.table of R: no name above the names
        "\ufeffspot,A,B\r\n001,0.1,2\r\n1e3,3,4\r\n",  # a spreadsheet
    ],
)
def test_tables_of_other_programs_are_read_as_they_are_written(tmp_path, text):
    (tmp_path / "prediction.csv").write_text(text, encoding="utf-8", newline="")
    (tmp_path / "lower.csv").write_text(text, encoding="utf-8", newline="")
    table = read_answer(tmp_path)
    assert list(table.obs_names) == ["001", "1e3"]
    assert list(table.var_names) == ["A", "B"]
    np.testing.assert_array_equal(table.X, [[0.1, 2], [3, 4]])
    np.testing.assert_array_equal(table.layers["lower"], table.X)
    (tmp_path / "lower.csv").write_text("spot,B,A\n001,1,2\n1e3,3,4\n")
    with pytest.raises(InvalidPrediction, match="lower.csv has not the rows and columns of prediction.csv"):
        read_answer(tmp_path)


def test_numbers_are_read_without_rounding_and_names_without_renaming(tmp_path):
    values = np.random.default_rng(0).normal(size=(200, 2))
    frame = pd.DataFrame(values, index=[f"spot{i}" for i in range(200)], columns=["A", "A"])
    frame.to_csv(tmp_path / "prediction.csv")
    with pytest.warns(UserWarning, match="not unique"):
        table = read_answer(tmp_path)
    np.testing.assert_array_equal(table.X, values)
    assert list(table.var_names) == ["A", "A"]


def test_a_program_that_fails_says_so(make_card, tmp_path):
    cls = make_card("ext_fails", "import sys\nsys.exit('no such tissue')")
    with pytest.raises(StbenchError, match="exit code 1. Its last lines: no such tissue"):
        cls().predict(planted_task(), Context(scratch=tmp_path))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "without prediction.csv"),
        (MEAN.replace("1.5", "'much'"), "not a table of numbers"),
        (MEAN.replace("1.5", "float('nan')"), "NaN"),
        (MEAN.replace("reversed(spots)", "spots[1:]"), "49 spots instead of 50"),
    ],
    ids=["nothing", "text", "nan", "spot"],
)
def test_a_wrong_answer_is_invalid(make_card, tmp_path, program, reason):
    cls = make_card(f"ext_wrong_{reason.split()[0].lower()}", program)
    with pytest.raises(InvalidPrediction, match=reason):
        cls().predict(planted_task(), Context(scratch=tmp_path))


def test_a_missing_program_is_unsupported_with_the_remedy(tmp_path):
    card, *_ = new_external("ext_absent", "python", Place(tmp_path, tmp_path, in_checkout=False))
    load_plugin(card)
    with pytest.raises(Unsupported, match=f"stbench env ext_absent --plugin {card}"):
        REGISTRY.get("ext_absent")().predict(planted_task(), Context(scratch=tmp_path))


def test_a_method_without_its_program_is_not_checked(tmp_path):
    """One line that says what to install, not a list of broken promises."""
    card, *_ = new_external("ext_unmade", "python", Place(tmp_path, tmp_path, in_checkout=False))
    done = stbench("check", "method", card, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 'ext_unmade' cannot be checked here: it needs a program")
    assert done.stdout == ""


def test_the_text_of_a_table_holds_the_table(tmp_path):
    table = planted_task().spatial
    write_table(tmp_path / "spatial", table)
    np.testing.assert_allclose(mmread(tmp_path / "spatial" / "X.mtx").toarray(), table.X.toarray(), rtol=1e-6)
    counts = mmread(tmp_path / "spatial" / "counts.mtx").toarray()
    np.testing.assert_array_equal(counts, table.layers["counts"].toarray())
    names = pd.read_csv(tmp_path / "spatial" / "var.csv", index_col="name")
    assert list(names.index) == list(table.var_names)
    assert list(names["split"]) == list(table.var["split"])
    coordinates = pd.read_csv(tmp_path / "spatial" / "coordinates.csv", index_col="name")
    np.testing.assert_allclose(coordinates[["x", "y"]], table.obsm["spatial"], rtol=1e-6)


def rows(board):
    with (board / "leaderboard" / "leaderboard.csv").open(newline="") as file:
        return {row["method"]: row["status"] for row in csv.DictReader(file)}


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="Rscript is not installed")
def test_a_method_in_plain_r_has_a_row_beside_the_others(tmp_path, data_folder):
    assert stbench("new", "method", "in_r", "--external", "--language", "r", cwd=tmp_path).returncode == 0
    assert stbench("new", "method", "in_python", cwd=tmp_path).returncode == 0
    grid = ["run", "--methods", "in_r,in_python", "--datasets", "planted", "--data", data_folder]
    plugins = ["--plugin", "in_r/in_r.toml", "--plugin", "in_python.py"]
    done = stbench(*grid, *plugins, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(tmp_path / "results").items() >= {"in_r": "ok", "in_python": "ok"}.items()
    scores = pd.read_csv(tmp_path / "results" / "leaderboard" / "leaderboard.csv")
    pcc = scores[scores["metric"] == "pcc"].set_index("method")["mean"]
    manifests = [json.loads(file.read_text()) for file in (tmp_path / "results").rglob("manifest.json")]
    (versions,) = (record["versions"] for record in manifests if record["method"] == "in_r")
    assert versions["R"].split(".")[0].isdigit()
    assert versions["numpy"] == np.__version__  # of stbench itself
    assert pcc["in_r"] == pytest.approx(pcc["in_python"], abs=1e-4)  # the same formula in both languages


def test_environments_are_in_the_chosen_cache(tmp_path, data_folder, monkeypatch):
    monkeypatch.setenv("STBENCH_CACHE", str(tmp_path / "cache"))
    python = tmp_path / "cache" / "environments" / "ext_cached" / "bin" / "python"
    card = tmp_path / "ext_cached.toml"
    (tmp_path / "program.py").write_text(MEAN)
    command = '["{env}/bin/python", "{here}/program.py", "{task}"]'
    card.write_text(CARD.format(name="ext_cached", command=command))
    load_plugin(card)
    assert f"({python})" in REGISTRY.get("ext_cached").missing()
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert REGISTRY.get("ext_cached").missing() == ""
    grid = ["run", "--methods", "ext_cached", "--datasets", "planted", "--data", data_folder]
    done = stbench(*grid, "--plugin", card, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(tmp_path / "results")["ext_cached"] == "ok"


def test_an_environment_that_cannot_be_made_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("STBENCH_CACHE", str(tmp_path / "cache"))
    card, *_ = new_external("ext_nowhere", "python", Place(tmp_path, tmp_path, in_checkout=False))
    (card.parent / "requirements.txt").write_text("no requirement at all")
    done = stbench("env", "ext_nowhere", "--plugin", card, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The environment of 'ext_nowhere' cannot be made (")
    assert done.stderr.count("\n") == 1
    assert list(cache_folder("environments").iterdir()) == []
    assert stbench("env", "knn", cwd=tmp_path).stderr == (
        "Error: Method 'knn' has no environment of its own: it runs here as it is.\n"
    )


def test_a_method_in_an_environment_with_another_numpy(tmp_path, data_folder, monkeypatch):
    monkeypatch.setenv("STBENCH_CACHE", str(tmp_path / "cache"))
    assert stbench("new", "method", "in_venv", "--external", cwd=tmp_path).returncode == 0
    plugin = ["--plugin", "in_venv/in_venv.toml"]
    made = stbench("env", "in_venv", *plugin, cwd=tmp_path)
    environment = cache_folder("environments") / "in_venv"
    if made.returncode != 0:
        assert not environment.exists()
        pytest.skip(f"numpy<2 cannot be installed here: {made.stderr}")
    assert made.stdout.splitlines()[-1] == f"in_venv runs in {environment}"
    again = stbench("env", "in_venv", *plugin, cwd=tmp_path)
    assert again.stdout == f"in_venv runs in {environment}\n"
    grid = ["run", "--methods", "in_venv", "--datasets", "planted", "--data", data_folder]
    done = stbench(*grid, "--plugin", "in_venv/in_venv.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(tmp_path / "results")["in_venv"] == "ok"
    (manifest,) = (tmp_path / "results").rglob("manifest.json")
    assert json.loads(manifest.read_text())["versions"]["numpy"].startswith("1.")
    (log,) = (tmp_path / "results" / "runs").glob("*/log.txt")
    assert "numpy 1." in log.read_text()
    assert np.__version__.startswith("2.")
