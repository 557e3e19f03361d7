"""The saved state of a training."""

import pickle
from pathlib import Path

import pytest
import torch

from stbench.nn import checkpoint
from stbench.nn.checkpoint import Checkpoint


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


def test_a_file_holds_no_code(tmp_path):
    torch.save({"at": Path("made by calling Path")}, tmp_path / "state")
    with pytest.raises(pickle.UnpicklingError):
        Checkpoint(tmp_path / "state").load()
