"""Modern peers with environments of their own: "moscot" and "envi", run where their environments are."""

import numpy as np
import pytest

from stbench.config.variants import configure
from stbench.data.prepare import prepare
from stbench.datasets import Card
from stbench.errors import Unsupported
from stbench.methods import REGISTRY, Context
from stbench.testing.planted import planted_pair, planted_task

PEERS = {"moscot": {}, "envi": {"steps": 300}}


def requirements(name):
    """The pinned packages of the environment of a method."""
    lines = (REGISTRY.get(name).here / "requirements.txt").read_text().splitlines()
    return dict(line.split("#")[0].strip().split("==") for line in lines)


def test_each_has_an_environment_that_pins_it():
    assert requirements("moscot")["moscot"] == "0.5.2"
    assert requirements("envi").items() >= {"scenvi": "0.4.6", "jax": "0.4.35"}.items()


@pytest.mark.parametrize("name", PEERS)
def test_the_presets_differ_in_size_only(name):
    cls = REGISTRY.get(name)
    small, full = configure(cls, "cpu", {}), configure(cls, "paper", {})
    changed = {key for key in vars(full) if getattr(small, key) != getattr(full, key)}
    assert changed == set(cls.presets["cpu"])
    assert all(getattr(small, key) < getattr(full, key) for key in changed)


@pytest.mark.parametrize("name", PEERS)
def test_needs_coordinates(name, tmp_path, monkeypatch):
    reference, spatial = planted_pair()
    del spatial.obsm["spatial"]
    monkeypatch.setattr(REGISTRY.get(name), "missing", classmethod(lambda cls: ""))
    with pytest.raises(Unsupported, match="coordinates"):
        REGISTRY.get(name)().predict(planted_task((reference, spatial)), Context(scratch=tmp_path))


@pytest.mark.parametrize("name", PEERS)
def test_predicts_planted_genes(name, tmp_path):
    """Where the environment is: better than chance on a tissue with three smooth programs."""
    cls = REGISTRY.get(name)
    if cls.missing():
        pytest.skip(cls.missing())
    tables = planted_pair(n_cells=300, n_spots=200, n_genes=60)
    truth = prepare(*(table.copy() for table in tables), Card("planted", min_genes=1)).spatial
    task = planted_task(tables)
    method = configure(cls, "cpu", PEERS[name])
    predicted = method.predict(task, Context(scratch=tmp_path)).mean
    measured = truth[:, task.targets].X.toarray()
    pcc = [np.corrcoef(a, b)[0, 1] for a, b in zip(measured.T, predicted.T, strict=True)]
    assert np.mean(pcc) > 0.2
