"""Runs ENVI (scenvi) on a task folder. Its environment is in requirements.txt."""

import json
import os
import sys
from pathlib import Path

folder = Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
if task["device"] == "cpu":
    os.environ["JAX_PLATFORMS"] = "cpu"  # read when jax is imported

import anndata  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import scenvi  # noqa: E402
from scipy.sparse import issparse  # noqa: E402

parameters = task["parameters"]


def dense(values):
    """The values as an array."""
    return values.toarray() if issparse(values) else values


def counts(name):
    """A dense table with counts in X, as scenvi reads it, and logarithms for its choice of variable genes."""
    table = anndata.read_h5ad(folder / f"{name}.h5ad")
    layers = {"log": dense(table.X)}
    return anndata.AnnData(
        dense(table.layers["counts"]), table.obs[[]], table.var[[]], obsm=dict(table.obsm), layers=layers
    )


cells, spots = counts("reference"), counts("spatial")
model = scenvi.ENVI(
    spatial_data=spots,
    sc_data=cells,
    num_layers=3,
    num_neurons=parameters["n_neurons"],
    latent_dim=parameters["n_latent"],
    num_HVG=min(parameters["n_variable"], cells.n_vars),
    sc_genes=task["targets"],
    k_nearest=min(8, spots.n_obs - 1),
)
model.train(training_steps=parameters["steps"], key=jax.random.key(task["seed"]))
model.impute_genes()
values = model.spatial_data.obsm["imputation"][task["targets"]].clip(lower=0)
anndata.AnnData(np.log1p(values)).write_h5ad(folder / "prediction.h5ad")
