from __future__ import annotations

from stbench.methods import REGISTRY
from stbench.plot import styles
from stbench.plot.style import CONTROL


def test_a_method_looks_the_same_whatever_else_is_shown():
    alone = styles(["spage"])["spage"]
    among = styles(["tangram", "a new one", "spage(n_pv=30)", "spage [paper]", "spage"])
    assert {among[name] for name in ("spage", "spage(n_pv=30)", "spage [paper]")} == {alone}


def test_no_two_methods_look_alike_and_controls_are_grey(monkeypatch):
    """Only methods of stbench: other tests register dozens more here, and there are 63 looks."""
    every = REGISTRY.items()
    known = {name: every[name] for name in every if every[name].__module__.startswith("stbench.methods.")}
    assert {"causalged", "spage", "random"} <= set(known)
    monkeypatch.setattr(REGISTRY, "items", lambda: known)
    looks = styles([*known, "ceiling"])
    methods = [looks[name] for name, method in known.items() if method.info.kind != "control"]
    assert len(set(methods)) == len(methods)
    assert {looks["random"], looks["ceiling"]} == {CONTROL}
    assert CONTROL not in methods


def test_a_row_run_elsewhere_has_a_star_and_no_measured_one_has():
    looks = styles([*REGISTRY.items(), "theirs [run elsewhere]", "theirs"])
    starred = {name for name, look in looks.items() if (look.marker, look.symbol) == ("*", "star")}
    assert starred == {"theirs [run elsewhere]"}
    assert looks["theirs [run elsewhere]"].colour == looks["theirs"].colour
