"""Modern peers with environments of their own, run where these are: moscot, envi, transimp and spagim."""

import numpy as np
import pytest

from stbench.config.variants import NO_PRESET, configure
from stbench.data.prepare import prepare
from stbench.datasets import Card
from stbench.errors import StbenchError, Unsupported
from stbench.methods import REGISTRY, Context
from stbench.tables import dense
from stbench.testing.planted import planted_pair, planted_task

PEERS = {"moscot": {}, "envi": {"steps": 300}, "transimp": {}, "spagim": {}}


def requirements(name):
    """The pinned packages of the environment of a method."""
    lines = (REGISTRY.get(name).here / "requirements.txt").read_text().splitlines()
    return dict(line.split("#")[0].strip().split("==") for line in lines)


def test_each_has_an_environment_that_pins_it():
    assert requirements("moscot")["moscot"] == "0.5.2"
    assert requirements("envi").items() >= {"scenvi": "0.4.6", "jax": "0.4.35"}.items()
    assert requirements("transimp")["transpa"] == "0.1.1"
    assert requirements("spagim").items() >= {"spagim": "1.0.2", "scenvi": "0.4.6", "jax": "0.4.35"}.items()


@pytest.mark.parametrize("name", ["moscot", "envi"])
def test_the_presets_differ_in_size_only(name):
    cls = REGISTRY.get(name)
    small, full = configure(cls, "cpu", {}), configure(cls, "paper", {})
    changed = {key for key in vars(full) if getattr(small, key) != getattr(full, key)}
    assert changed == set(cls.presets["cpu"])
    assert all(getattr(small, key) < getattr(full, key) for key in changed)


@pytest.mark.parametrize("name", ["moscot", "envi", "transimp"])
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
    method = configure(cls, "cpu" if cls.presets else NO_PRESET, PEERS[name])
    predicted = method.predict(task, Context(scratch=tmp_path)).mean
    measured = truth[:, task.targets].X.toarray()
    pcc = [np.corrcoef(a, b)[0, 1] for a, b in zip(measured.T, predicted.T, strict=True)]
    assert np.mean(pcc) > 0.2


def test_spagim_equals_its_formula(tmp_path):
    """Where the environment is: means of the best correlated cells, weighted by the correlation."""
    cls = REGISTRY.get("spagim")
    if cls.missing():
        pytest.skip(cls.missing())
    task = planted_task(planted_pair(n_cells=150, n_spots=60))
    values = cls(k=20).predict(task, Context(scratch=tmp_path)).mean
    cells, spots = dense(task.reference, task.visible), dense(task.spatial, task.visible)
    alike = np.corrcoef(spots, cells)[: len(spots), len(spots) :]
    targets = dense(task.reference, task.targets)
    for spot, row in enumerate(alike):
        best = np.argsort(-row)[:20]
        np.testing.assert_allclose(values[spot], row[best] @ targets[best] / row[best].sum(), rtol=1e-3)


def test_spagim_names_a_method_that_it_does_not_have(tmp_path):
    cls = REGISTRY.get("spagim")
    if cls.missing():
        pytest.skip(cls.missing())
    with pytest.raises(StbenchError, match="'Tangram', but it is one of Pearson, Spearman, Cosine, KNN"):
        cls(method="Tangram").predict(planted_task(), Context(scratch=tmp_path))


def test_transimp_keeps_the_scale_of_the_tissue(tmp_path):
    """Where the environment is: one factor for the dataset puts maps without a scale on that of X."""
    cls = REGISTRY.get("transimp")
    if cls.missing():
        pytest.skip(cls.missing())
    task = planted_task(planted_pair(n_cells=150, n_spots=100, n_genes=60))
    values = cls(n_epochs=300).predict(task, Context(scratch=tmp_path)).mean
    assert np.median(values) == pytest.approx(np.median(dense(task.spatial, task.visible)), rel=0.3)
