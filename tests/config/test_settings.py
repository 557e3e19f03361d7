"""From --set and --sweep to configured methods."""

from dataclasses import asdict

import pytest

from stbench.config.options import make_config, read_config
from stbench.config.settings import configure, label, parse_settings, select_methods, variants
from stbench.errors import StbenchError
from stbench.methods import REGISTRY


def test_a_sweep_is_every_combination_on_top_of_the_settings():
    sweep = parse_settings(["knn.n_neighbors=3, 5", "knn.metric=cosine,l2"])
    found = variants(["knn", "mean"], {"knn": {"weights": "uniform"}}, sweep)
    assert found == {
        "mean": [{}],
        "knn": [
            {"weights": "uniform", "n_neighbors": n, "metric": metric}
            for n in ("3", "5")
            for metric in ("cosine", "l2")
        ],
    }


def test_a_value_given_twice_is_run_once():
    assert variants(["knn"], {}, {"knn": {"n": "3,3"}}) == {"knn": [{"n": "3"}]}


def test_a_sweep_of_another_method_is_refused():
    with pytest.raises(StbenchError, match=r"--sweep spage.*not among the methods of this run \(knn\)"):
        variants(["knn"], {}, {"spage": {"n_pv": "1"}})


def test_one_configuration_has_one_label():
    cls = REGISTRY.get("causalged")
    standard = asdict(configure(cls, "cpu", {}))
    same = configure(cls, "cpu", {"depth": str(standard["depth"])})
    assert label(same, "cpu") == "causalged"
    assert label(configure(cls, "cpu", {"depth": "5", "cond": "none"}), "cpu") == (
        "causalged(depth=5,cond=none)"
    )


def test_a_config_file_may_hold_a_sweep(tmp_path):
    (tmp_path / "run.toml").write_text(
        "methods = ['causalged']\n[sweep.causalged]\ndepth = [1, 2]\nvariational = [true, false]\n"
        "[set.causalged]\nsteps = 10\n"
    )
    config = make_config(read_config(tmp_path / "run.toml"))
    assert config.sweep == ("causalged.depth=1,2", "causalged.variational=True,False")
    assert config.set == ("causalged.steps=10",)


def test_a_sweep_without_a_method_is_one_line(tmp_path):
    (tmp_path / "run.toml").write_text("[sweep]\ndepth = [1, 2]\n")
    with pytest.raises(StbenchError, match=r"run.toml.*\[sweep.depth\] takes parameter = value"):
        read_config(tmp_path / "run.toml")


def test_all_are_those_that_lack_nothing(monkeypatch):
    everything = select_methods(["all"])
    monkeypatch.setattr(REGISTRY.get("knn"), "missing", classmethod(lambda cls: "needs a package"))
    assert [cls for cls in everything if cls not in select_methods(["all"])] == [REGISTRY.get("knn")]
    assert select_methods(["knn"]) == [REGISTRY.get("knn")]  # asked for by name, it says why it cannot
