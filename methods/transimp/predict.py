"""Runs TransImp (transpa) on a task folder. Its environment is in requirements.txt."""

import json
import sys
from pathlib import Path
from types import ModuleType

sys.modules["turtle"] = turtle = ModuleType("turtle")  # transpa imports it by mistake, and it needs a display
vars(turtle)["forward"] = None

import anndata  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import squidpy  # noqa: E402
import torch  # noqa: E402
from scipy.sparse import issparse  # noqa: E402
from transpa.util import fit_transImp  # noqa: E402

folder = Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
parameters = task["parameters"]
torch.set_num_threads(task["threads"])


def frame(table):
    """The values as a data frame, with the genes as columns."""
    return pd.DataFrame(table.X.toarray() if issparse(table.X) else table.X, columns=table.var_names)


cells, spots = (anndata.read_h5ad(folder / f"{name}.h5ad") for name in ("reference", "spatial"))
known, seen = frame(cells[:, [*spots.var_names, *task["targets"]]]), frame(spots)
visible = [gene for gene in sorted(seen) if np.ptp(seen[gene]) > 0 and np.ptp(known[gene]) > 0]
targets = sorted(task["targets"])

neighbors = min(parameters["n_neighbors"], spots.n_obs - 1)
squidpy.gr.spatial_neighbors(spots, coord_type="generic", n_neighs=neighbors)
model, cells_visible, spots_visible, cells_targets = fit_transImp(
    known,
    seen,
    visible,
    targets,
    lr=parameters["learning_rate"],
    weight_decay=parameters["weight_decay"],
    n_epochs=parameters["n_epochs"],
    classes=None,
    ct_list=None,
    autocorr_method="moranI",
    mapping_mode="lowrank",
    mapping_lowdim=parameters["rank"],
    spa_adj=spots.obsp["spatial_connectivities"].tocoo(),
    clip_max=parameters["clip_max"],
    signature_mode="cell",
    wt_spa=parameters["spatial_weight"],
    device=torch.device(task["device"]),
    seed=task["seed"],
)
with torch.no_grad():
    fitted = model(cells_visible)
    factor = (fitted * spots_visible).sum() / (fitted**2).sum()
    values = (factor * model(cells_targets)).cpu().numpy()
anndata.AnnData(pd.DataFrame(values, index=spots.obs_names, columns=targets)).write_h5ad(
    folder / "prediction.h5ad"
)
