"""The spatial table without the test genes of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from stbench.data.split import Split
from stbench.toolbox.scale import log_normalise


def visible_spatial(truth: AnnData, split: Split, units: str) -> AnnData:
    """The spatial table that a method may see: train and val genes, coordinates, nothing else.

    ``truth`` is the prepared spatial table. Counts are normalised anew over the visible genes.
    """
    roles = dict.fromkeys(split.train, "train") | dict.fromkeys(split.val, "val")
    role = pd.Series(roles, name="split").reindex(truth.var_names).dropna()
    seen = truth[:, role.index]
    table = AnnData(
        log_normalise(seen.layers["counts"]) if units == "counts" else sparse.csr_matrix(seen.X),
        obs=pd.DataFrame(index=truth.obs_names.copy()),
        var=role.to_frame(),
    )
    if units == "counts":
        table.layers["counts"] = sparse.csr_matrix(seen.layers["counts"])
    if "spatial" in truth.obsm:
        table.obsm["spatial"] = np.array(truth.obsm["spatial"])
    return table
