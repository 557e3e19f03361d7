"""``wrapper(method)`` is a method like any other: its name, its parameters, its presets, its errors."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import stbench

from stbench.config.variants import configure, label, select_methods, variants
from stbench.errors import StbenchError
from stbench.method import MethodInfo, Shape
from stbench.methods import REGISTRY, Context, Method, Wrapper
from stbench.testing.planted import planted_task


@dataclass(frozen=True)
class Inside(Method):
    """A method that leaves a file, reports a choice and has presets."""

    info = MethodInfo("inside", "generative", "a paper", "10.1/inside", "7", ("numpy",), True, ("alpha",))
    presets = {"cpu": {"steps": 2}, "paper": {"steps": 9}}  # noqa: RUF012
    steps: int = 5
    sizes: tuple[int, ...] = (6, 30)

    def predict(self, task, ctx):
        assert ctx.checkpoint is None
        (ctx.scratch / "once").mkdir()
        ctx.chosen(alpha=len(task.visible))
        return np.full((task.spatial.n_obs, len(task.targets)), float(self.steps))

    def memory_bytes(self, shape):
        return 1000 * self.steps * shape.targets

    def within(self, shape, memory):
        return replace(self, steps=1)

    @classmethod
    def missing(cls):
        return "needs a program"


@dataclass(frozen=True)
class Outside(Wrapper):
    """A wrapper that fits five times."""

    info = MethodInfo("outside", "wrapper", "another paper", "", "2", ("scipy",))
    power: float = 2.0

    def predict(self, task, ctx):
        known, _ = self.cross_fitted(task, ctx, 4)
        return self.fitted(task, ctx) ** self.power + known.mean()


WRAPPED = Outside.around(Inside)


def test_it_has_the_metadata_of_both():
    expected = MethodInfo(
        "outside(inside)", "generative", "another paper; a paper", "10.1/inside", "2, inside 7",
        ("scipy", "numpy"), True, ("alpha",),
    )  # fmt: skip
    assert WRAPPED.info == expected
    assert WRAPPED.info.kind == "method"
    assert WRAPPED.missing() == "needs a program"
    assert set(WRAPPED.versions()) == {"scipy", "numpy"}
    assert Inside.info.name == "inside"
    assert Outside.info.name == "outside"


def test_it_has_the_parameters_and_presets_of_both():
    assert asdict(WRAPPED()) == {"power": 2.0, "inner_steps": 5, "inner_sizes": (6, 30)}
    (one,) = variants([WRAPPED], {"outside(inside)": {"inner_sizes": "6", "power": "3"}})
    method = configure(WRAPPED, "cpu", one.parameters)
    assert method.inner == Inside(steps=2, sizes=(6,))
    assert label(method, "cpu") == "outside(inside)(power=3.0,inner_sizes=(6,))"
    assert label(configure(WRAPPED, "paper", {}), "paper") == "outside(inside)"
    assert WRAPPED(**asdict(method)) == method  # as in the process of a run
    with pytest.raises(StbenchError, match="'inner_step'. Did you mean 'inner_steps'"):
        configure(WRAPPED, "cpu", {"inner_step": 1})


def test_each_fit_has_a_folder_of_its_own_and_only_the_last_one_reports(tmp_path):
    chosen = {}
    task = planted_task()
    checkpoint = tmp_path / "checkpoint"
    found = WRAPPED().predict(task, Context(scratch=tmp_path, checkpoint=checkpoint, chosen=chosen.update))
    assert (found == 30).all()
    assert chosen == {"alpha": len(task.visible)}
    assert list(tmp_path.iterdir()) == []


def test_memory_is_that_of_the_largest_fit_and_scales_with_the_method_inside():
    shape = Shape(cells=10, spots=20, visible=30, targets=4, reference_genes=40)
    assert WRAPPED().memory_bytes(shape) == 1000 * 5 * 15 + 10 * 8 * 20 * 34
    assert WRAPPED(power=3.0).within(shape, 1) == WRAPPED(power=3.0, inner_steps=1)


def test_a_wrapped_method_is_found_by_its_name():
    cls = REGISTRY.get("sprite(knn)")
    assert cls is REGISTRY.get(" sprite( knn ) ")
    assert select_methods(["sprite(knn)", "knn"]) == [cls, REGISTRY.get("knn")]
    nested = REGISTRY.get("sprite(tissue(knn))")
    assert nested.inside is REGISTRY.get("tissue(knn)")
    assert "inner_inner_n_neighbors" in asdict(nested())
    assert not {"sprite", "tissue", "sprite(knn)"} & set(REGISTRY.names())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sprite", r"^'sprite' is a wrapper: give it a method, as in sprite\(method\)\.$"),
        ("sprit(knn)", "^Unknown wrapper 'sprit'. Did you mean 'sprite'"),
        ("sprite(kn)", "^Unknown method 'kn'. Did you mean 'knn'"),
        ("sprite(knn", r"^'sprite\(knn' lacks its closing bracket: write sprite\(method\)\.$"),
        ("sprite()", "^Unknown method ''"),
        ("spage(n_pv=30)", "^'spage' takes no method. Set parameters by --set spage.parameter=value.$"),
    ],
)
def test_a_wrong_name_is_one_line(name, message):
    with pytest.raises(StbenchError, match=message):
        REGISTRY.get(name)


def test_the_commands(data_folder, tmp_path):
    run = ["run", "--datasets", "planted", "--data", data_folder, "--out", "r"]
    run += ["--methods", "knn,conformal(knn),sprite(knn)", "--set", "sprite(knn).inner_n_neighbors=5"]
    done = stbench(*run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    board = pd.read_csv(tmp_path / "r" / "leaderboard" / "leaderboard.csv")
    wide = board.pivot(index="method", columns="metric", values="mean")
    assert {"conformal(knn)", "sprite(knn)(inner_n_neighbors=5)"} < set(wide.index)
    assert wide.loc["conformal(knn)", "pcc"] == wide.loc["knn", "pcc"]
    assert wide["coverage"].notna().sum() == 1
    assert "Nothing to do" in stbench(*run, cwd=tmp_path).stdout
    listed = stbench("list", "methods").stdout
    assert "sprite(METHOD)" in listed
    assert stbench("list", "methods", "sprite").stdout.startswith(
        "sprite: wrapper, version 1. Sun, Ma and Zou"
    )
    assert "inner_n_neighbors" in stbench("list", "methods", "sprite(knn)").stdout
    assert Path(tmp_path / "r" / "leaderboard" / "table1.md").stat().st_size > 0
