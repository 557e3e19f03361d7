"""From --set and --sweep to configured methods."""

from dataclasses import asdict, dataclass

import pytest

from stbench.config.options import RunOptions
from stbench.config.variants import configure, label, select_methods, typed, variants
from stbench.errors import StbenchError
from stbench.method import MethodInfo
from stbench.methods import REGISTRY, Method


@dataclass(frozen=True)
class Odd(Method):
    """A method with a parameter of every kind."""

    info = MethodInfo("odd", "baseline", "none", "", "1")
    number: int = 3
    share: float = 0.5
    chosen: float | None = None
    name: str = "x"
    pair: tuple[int, ...] = (1, 2)
    names: tuple[str, ...] = ()
    on: bool = True


@pytest.mark.parametrize(
    ("parameter", "written", "read"),
    [
        ("number", "30", 30),
        ("share", "1e-3", 0.001),
        ("share", ".5", 0.5),
        ("share", "3", 3.0),
        ("chosen", "None", None),
        ("chosen", "none", None),
        ("chosen", "0.1", 0.1),
        ("chosen", None, None),
        ("name", "5", "5"),
        ("name", "a,b", "a,b"),
        ("name", '"a,b"', "a,b"),
        ("name", "true", "true"),
        ("name", "None", "None"),
        ("pair", "6,30", (6, 30)),
        ("pair", "[6, 30]", (6, 30)),
        ("pair", "6", (6,)),
        ("pair", [6, 30], (6, 30)),
        ("names", '"a","b,c"', ("a", "b,c")),
        ("on", "false", False),
        ("on", "True", True),
    ],
)
def test_a_text_is_read_as_the_parameter_is_declared(parameter, written, read):
    found = typed(Odd, parameter, written)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("parameter", "written"),
    [("number", "true"), ("number", "x"), ("number", "1.5"), ("pair", "a,b"), ("on", "5"), ("share", "None")],
)
def test_a_value_of_another_type_is_refused(parameter, written):
    with pytest.raises(
        StbenchError, match=rf"--set odd\.{parameter} does not take '{written}': Input should"
    ):
        typed(Odd, parameter, written)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(StbenchError, match=r"Unknown parameter of 'odd' 'numbr'. Did you mean 'number'"):
        typed(Odd, "numbr", "3")


def test_a_sweep_is_every_combination_on_top_of_the_settings():
    found = variants([Odd], {"odd": {"name": "n"}}, {"odd": {"number": "3, 5", "on": [True, False]}})
    assert [one.parameters for one in found] == [
        {"name": "n", "number": number, "on": on} for number in (3, 5) for on in (True, False)
    ]
    assert [one.parameters for one in variants([Odd], {}, {"odd": {"number": "3,3"}})] == [{"number": 3}]
    lists = variants([Odd], {}, {"odd": {"pair": "[6,30],[6]"}})
    assert [one.parameters["pair"] for one in lists] == [(6, 30), (6,)]


def test_settings_of_another_method_are_refused():
    with pytest.raises(StbenchError, match=r"--sweep spage.*not among the methods of this call \(odd\)"):
        variants([Odd], {}, {"spage": {"n_pv": "1"}})
    with pytest.raises(StbenchError, match=r"--set spage.*not among"):
        variants([Odd], {"spage": {"n_pv": "1"}})


def test_settings_of_the_command_line_and_of_toml_mean_the_same(tmp_path):
    (tmp_path / "table.toml").write_text("[set.causalged-kernel]\nneighbours = [6, 30]\n")
    (tmp_path / "text.toml").write_text("set = ['causalged-kernel.neighbours=6,30']\n")
    cls = REGISTRY.get("causalged-kernel")
    flags = [RunOptions(set=("causalged-kernel.neighbours=6,30",))]
    files = [RunOptions.of(RunOptions.in_file(tmp_path / name)) for name in ("table.toml", "text.toml")]
    for options in flags + files:
        (one,) = variants([cls], options.set)
        assert one.parameters == {"neighbours": (6, 30)}
    (one,) = variants([REGISTRY.get("ridge")], RunOptions(set=("ridge.alpha=None",)).set)
    assert one.parameters == {"alpha": None}


def test_one_configuration_has_one_label():
    cls = REGISTRY.get("causalged")
    standard = asdict(configure(cls, "cpu", {}))
    same = configure(cls, "cpu", {"depth": str(standard["depth"])})
    assert label(same, "cpu") == "causalged"
    assert label(configure(cls, "cpu", {"depth": "5", "cond": "none"}), "cpu") == (
        "causalged(depth=5,cond=none)"
    )


def test_all_are_those_that_can_run_here(monkeypatch):
    everything = select_methods(["all"])
    monkeypatch.setattr(REGISTRY.get("knn"), "missing", classmethod(lambda cls: "needs a package"))
    assert [cls for cls in everything if cls not in select_methods(["all"])] == [REGISTRY.get("knn")]
    assert select_methods(["knn"]) == [REGISTRY.get("knn")]  # requested by name, it says why it cannot
