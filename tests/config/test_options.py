"""One definition of every option, for flags, TOML files and Python."""

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import stbench
from stbench.cli import app
from stbench.config.options import (
    AuditOptions,
    ChooseOptions,
    Options,
    PredictOptions,
    RunOptions,
    takes,
)
from stbench.errors import StbenchError

COMMANDS = {"run": RunOptions, "choose": ChooseOptions, "predict": PredictOptions, "audit": AuditOptions}
FUNCTIONS = {"run": stbench.run, "choose": stbench.choose, "predict": stbench.predict}


def test_options_are_typed_once_they_are_made():
    options = RunOptions(methods="a,b", timeout="30m", memory_limit="8GB", limit="cells=5", splits="10")
    assert options.methods == ("a", "b")
    assert (options.timeout, options.memory_limit, options.splits) == (1800.0, 8_000_000_000, 10)
    assert options.limit.cells == 5
    assert RunOptions.of(vars(options)) == options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": "soon"}, r"--timeout takes a time such as 90s, 30m or 2h, not 'soon'"),
        ({"memory_limit": "8"}, r"--memory-limit takes a size such as 500MB, 8GB or 1.5TB, not '8'"),
        ({"limit": "spots"}, r"--limit takes cells=N,spots=N,genes=N with whole numbers, not 'spots'"),
        ({"splits": 11}, r"--splits does not take '11': Input should be less than or equal to 10"),
        ({"jobs": 0}, r"--jobs does not take '0': Input should be greater than or equal to 1"),
        ({"executor": "slurm"}, r"--executor does not take 'slurm': Input should be 'local' or 'dask'"),
        ({"scheduler": "tcp://x"}, r"--scheduler needs --executor dask"),
        ({"methods": 3}, r"--methods does not take '3'"),
        ({"spltis": 2}, r"Unknown option 'spltis'. Did you mean 'splits'\?"),
    ],
)
def test_a_wrong_option_is_one_line(given, message):
    with pytest.raises(StbenchError, match=message):
        RunOptions.of(given)


def test_a_config_file_is_checked_and_named(tmp_path):
    file = tmp_path / "run.toml"
    for content, message in (
        ("spltis = 2", r"run.toml': Unknown option 'spltis'. Did you mean 'splits'"),
        ("timeout = 'soon'", r"run.toml': --timeout takes a time"),
        ("[sweep]\ndepth = [1, 2]", r"run.toml': --sweep takes parameter = value under the name of a method"),
        ("splits = ", r"run.toml' is not readable TOML"),
    ):
        file.write_text(content)
        with pytest.raises(StbenchError, match=message):
            RunOptions.in_file(file)
    file.write_text("split-seed = 3\nmethods = 'a,b'\n")
    assert RunOptions.of(RunOptions.in_file(file), {"methods": "c"}).methods == ("c",)
    with pytest.raises(StbenchError, match="does not exist"):
        RunOptions.in_file(tmp_path / "none.toml")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_flag_for_every_option(name):
    flags = {parameter.name: parameter for parameter in get_command(app).commands[name].params}
    known = {one.name: one for one in fields(COMMANDS[name])}
    left_out = {"splits", "seeds", "sweep", "overwrite", "emit", "dry_run"} if name == "audit" else set()
    assert known.keys() - left_out == flags.keys() - {"config", "pair"}
    for option, one in known.items():
        if option not in left_out:
            assert flags[option].opts == ["--" + option.replace("_", "-")]
            assert flags[option].help.startswith(one.metadata["help"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_names_and_defaults_of_the_options(name):
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    assert parameters["out"].default is None  # in Python, nothing is written where nobody asked for it
    for one in fields(COMMANDS[name]):
        if one.name == "out":
            continue
        assert parameters[one.name].default == one.default
        assert one.metadata["help"] in FUNCTIONS[name].__doc__
    assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def test_an_unknown_keyword_has_a_suggestion():
    with pytest.raises(StbenchError, match=r"Unknown option 'spltis'. Did you mean 'splits'\?"):
        stbench.run(["kernel"], "simulated", spltis=2)


def test_a_decorated_function_gets_its_own_arguments_and_the_options():
    @takes(RunOptions, "methods", "datasets")
    def function(options: RunOptions, *, loud: bool = False) -> tuple:
        """Say what came."""
        return options.methods, options.datasets, options.out, loud

    assert function("a", ["b"], out="here", loud=True) == (("a",), ("b",), Path("here"), True)


def test_nothing_is_made_for_a_wrong_option(tmp_path):
    for wrong in (
        ["--timeout", "soon"],
        ["--limit", "cells=x"],
        ["--memory-limit", "8"],
        ["--set", "knn.neighbours=3"],
        ["--set", "knn.n_neighbors=x"],
        ["--sweep", "spage.n_pv=1"],
        ["--methods", "knnn"],
        ["--datasets", "nowhere"],
    ):
        out = tmp_path / "out"
        command = ["run", "--methods", "knn", "--datasets", "simulated", "--out", str(out), *wrong]
        result = CliRunner().invoke(app, command)
        assert isinstance(result.exception, StbenchError), wrong
        assert not out.exists()


def test_shared_options_stand_behind_those_of_the_command():
    help_text = CliRunner().invoke(app, ["run", "--help"]).output
    assert help_text.index("--methods") < help_text.index("--executor")
    assert {one.name for one in fields(Options)} < {one.name for one in fields(RunOptions)}


def test_none_is_taken_where_the_type_of_an_option_has_it():
    """Such an option may have another default: choose and predict then keep no file."""
    assert ChooseOptions(out=None).out is None
    assert PredictOptions(out=None).out is None
    for wrong in ({"out": None}, {"splits": None}, {"methods": None}):
        with pytest.raises(StbenchError, match=f"--{next(iter(wrong))} "):
            RunOptions.of(wrong)
