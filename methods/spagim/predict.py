"""Runs SpaGIM (spagim) on a task folder. Its environment is in requirements.txt."""

import json
import os
import sys
from pathlib import Path

METHODS = ("Pearson", "Spearman", "Cosine", "KNN")
BLOCK = 500  # spots

folder = Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
method, k = task["parameters"]["method"], task["parameters"]["k"]
if method not in METHODS:
    sys.exit(f"method is '{method}', but it is one of {', '.join(METHODS)}")
os.environ["JAX_PLATFORMS"] = "cpu"  # read when jax is imported; the methods here use torch alone

import anndata  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from scipy.sparse import issparse  # noqa: E402
from spagim.benchmark import Imputation  # noqa: E402

torch.set_num_threads(task["threads"])


def dense(table):
    """A table of dense values without anything else, as spagim reads it."""
    values = table.X.toarray() if issparse(table.X) else np.asarray(table.X)
    return anndata.AnnData(values, table.obs[[]], table.var[[]])


cells, spots = (dense(anndata.read_h5ad(folder / f"{name}.h5ad")) for name in ("reference", "spatial"))
cells = cells[:, [*spots.var_names, *task["targets"]]].copy()
device, n_blocks = torch.device(task["device"]), -(-spots.n_obs // BLOCK)
models = Imputation(device=device, seed=task["seed"])
imputed = models.forward(cells, spots, method=method, n_split=n_blocks, k=min(k, cells.n_obs))
imputed = imputed[:, task["targets"]].copy()
imputed.X = np.nan_to_num(imputed.X, nan=0.0)
imputed.write_h5ad(folder / "prediction.h5ad")
