"""Runs the mapping problem of moscot on a task folder. Its environment is in requirements.txt."""

import json
import os
import sys
from pathlib import Path

folder = Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
if task["device"] == "cpu":
    os.environ["JAX_PLATFORMS"] = "cpu"  # read when jax is imported

import anndata  # noqa: E402
import numpy as np  # noqa: E402
import scanpy as sc  # noqa: E402
from moscot.problems.space import MappingProblem  # noqa: E402
from scipy.sparse import issparse  # noqa: E402

parameters = task["parameters"]
cells = anndata.read_h5ad(folder / "reference.h5ad")
spots = anndata.read_h5ad(folder / "spatial.h5ad")
if cells.n_obs > parameters["max_cells"]:
    rng = np.random.default_rng(task["seed"])
    cells = cells[np.sort(rng.choice(cells.n_obs, parameters["max_cells"], replace=False))].copy()

n_pcs = min(parameters["n_pcs"], cells.n_obs - 1, cells.n_vars - 1)
sc.pp.pca(cells, n_comps=n_pcs, mask_var=None, random_state=task["seed"])
for table in (spots, cells):
    if issparse(table.X):
        table.X = table.X.toarray()
problem = MappingProblem(adata_sc=cells, adata_sp=spots).prepare(
    sc_attr={"attr": "obsm", "key": "X_pca"},
    xy_callback="local-pca",
    xy_callback_kwargs={"n_comps": min(n_pcs, spots.n_vars - 1)},
)
problem = problem.solve(alpha=parameters["alpha"], epsilon=parameters["epsilon"])
imputed = problem.impute(var_names=task["targets"])
anndata.AnnData(np.asarray(imputed.X), obs=spots.obs[[]], var=cells.var.loc[task["targets"], []]).write_h5ad(
    folder / "prediction.h5ad"
)
