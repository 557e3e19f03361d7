"""The saved state of a training."""

from pathlib import Path

import pytest
import torch

from stbench.toolbox.nn import checkpoint
from stbench.toolbox.nn.checkpoint import Checkpoint


def test_a_state_comes_back_as_saved(tmp_path):
    saved = {"weight": torch.arange(3.0), "rng": {"state": 2**100, "name": "PCG64"}, "best": -float("inf")}
    Checkpoint(tmp_path / "state").save(saved)
    found = Checkpoint(tmp_path / "state").load()
    assert torch.equal(found.pop("weight"), saved.pop("weight"))
    assert found == saved
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_nothing_is_kept_without_a_file():
    nothing = Checkpoint(None)
    nothing.save({"a": 1})
    assert nothing.load() is None
    assert not nothing.due()


def test_it_is_due_after_a_while(tmp_path, monkeypatch):
    state = Checkpoint(tmp_path / "state")
    assert not state.due()
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0.0)
    assert state.due()


@pytest.mark.parametrize("content", [b"", b"half a file", "code"])
def test_a_file_that_is_no_state_is_named_and_left(content, tmp_path, caplog):
    file = tmp_path / "state"
    if content == "code":
        torch.save({"at": Path("made by calling Path")}, file)
    else:
        file.write_bytes(content)
    assert Checkpoint(file).load() is None
    assert "starts anew" in caplog.text
