"""Which renderers run, and what happens when one lacks a package."""

from __future__ import annotations

import pytest

from stbench.board.render import render
from stbench.errors import StbenchError
from stbench.leaderboard import REGISTRY, Renderer


@pytest.fixture
def renderers(monkeypatch):
    """Three renderers in place of the real ones: quick, slow, and one whose package is missing."""

    def writes(name):
        def write(board, folder):
            (folder / name).write_text(board)
            return [folder / name]

        return write

    own = {
        "lacking": Renderer("lacking", writes("lacking"), modules=("no_such_package", "json")),
        "quick": Renderer("quick", writes("quick")),
        "slow": Renderer("slow", writes("slow"), slow=True),
    }
    monkeypatch.setattr(REGISTRY, "_items", own)
    monkeypatch.setattr(REGISTRY, "broken", {})
    monkeypatch.setattr(REGISTRY, "_loaded", True)


def names(paths):
    return [path.name for path in paths]


@pytest.mark.usefixtures("renderers")
def test_slow_ones_run_when_asked(tmp_path):
    assert names(render("board", tmp_path)) == ["quick"]
    assert names(render("board", tmp_path, slow=True)) == ["quick", "slow"]
    assert names(render("board", tmp_path, ["slow"])) == ["slow"]
    assert (tmp_path / "slow").read_text() == "board"


@pytest.mark.usefixtures("renderers")
def test_the_others_are_written_when_a_package_is_missing(tmp_path, caplog):
    assert names(render("board", tmp_path)) == ["quick"]
    install = 'Install: pip install "stbench[leaderboard]"'
    assert caplog.messages == [f"Left out: 'lacking' needs no_such_package. {install}"]


@pytest.mark.usefixtures("renderers")
def test_asking_for_what_cannot_run_is_an_error(tmp_path):
    with pytest.raises(StbenchError, match="'lacking' needs no_such_package"):
        render("board", tmp_path, ["lacking"])
    with pytest.raises(StbenchError, match="Unknown renderer 'slwo'. Did you mean 'slow'"):
        render("board", tmp_path, ["slwo"])
