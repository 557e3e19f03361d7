"""Baselines, alignment and transport methods: what they owe beyond the contract of all methods."""

from importlib.util import find_spec

import numpy as np
import pytest

from stbench.methods import REGISTRY, Context

QUICK = {"tangram": {"num_epochs": 20}, "scvi": {"steps": 6}, "stplus": {"n_hidden": 200}}
NEEDS = {
    "tangram": "tangram",
    "scvi": "scvi",
    "stplus": "torch",
    "harmony": "harmonypy",
    "cellmapper": "cellmapper",
}
UNTRAINED = ["tangram", "scvi"]  # at so few steps
NAMES = ["ridge", "ridge_genes", "knn", "kernel", "spage", "novosparc", "spaotsc", *NEEDS]


def predict(name, task):
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    return REGISTRY.get(name)(**QUICK.get(name, {})).predict(task, Context())


@pytest.mark.parametrize("name", NAMES)
def test_odd_genes_and_spots(make_task, name):
    def edit(cells, spots, genes):
        cells[:, 3] = 7  # constant in the counts of one dataset
        cells[:, -1] = 0  # a target that the reference does not know
        spots[0] = 0  # empty
        spots[2] = spots[1]  # twice the same

    task, _ = make_task(40, 129, 12, 3, edit=edit)
    values = predict(name, task)
    assert np.isfinite(values).all()
    assert (values[:, 2] == 0).all()
    assert (values[:, :2].std(axis=0) > 0).all()
    np.testing.assert_allclose(values[1], values[2], rtol=0.2)  # Tangram starts at random


@pytest.mark.parametrize("name", NAMES)
def test_order_of_genes_does_not_matter(make_task, name):
    task, _ = make_task()
    turned, _ = make_task(order=lambda names: names[::-1])  # Actb and ACTB are among them
    np.testing.assert_allclose(predict(name, turned)[:, ::-1], predict(name, task), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNTRAINED])
def test_predicts_the_simulated_targets(make_task, name):
    task, truth = make_task(n_cells=200, n_spots=150)
    values = predict(name, task)
    pearson = [np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, truth.T, strict=True)]
    assert np.mean(pearson) > 0.6
