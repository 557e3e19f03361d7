"""Writes tables as Cell Ranger, STARsolo and GEO do."""

import gzip

import h5py
import numpy as np
from scipy.io import mmwrite


def write_10x(table, path, kinds=None):
    """As Cell Ranger 3 writes it: columns are cells; ``kinds`` are those of the features."""
    values = table.X.tocsr()
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = np.array(list(table.obs_names), dtype="S")
        matrix["data"], matrix["indices"] = values.data.astype(np.int32), values.indices.astype(np.int64)
        matrix["indptr"], matrix["shape"] = (
            values.indptr.astype(np.int64),
            np.array(table.shape[::-1], np.int32),
        )
        features = matrix.create_group("features")
        names = np.array(list(table.var_names), dtype="S")
        features["id"], features["name"] = names, names
        features["feature_type"] = np.array(kinds or ["Gene Expression"] * table.n_vars, dtype="S")
        features["genome"] = np.array(["mm10"] * table.n_vars, dtype="S")


def write_mex(table, folder, *, start="", packed=False, genes="features.tsv", columns=3):
    """The folder with the table as a matrix and the names beside it, all of them after ``start``."""
    folder.mkdir(parents=True)
    mmwrite(folder / "m.mtx", table.X.T.astype(np.int32))
    ids = [f"ENSG{i:011d}" for i in range(table.n_vars)]
    rows = {1: zip(table.var_names, strict=True), 2: zip(ids, table.var_names, strict=True)}
    rows[3] = ((a, b, "Gene Expression") for a, b in zip(ids, table.var_names, strict=True))
    texts = {
        "matrix.mtx": (folder / "m.mtx").read_bytes(),
        genes: "".join("\t".join(row) + "\n" for row in rows[columns]).encode(),
        "barcodes.tsv": "".join(f"{name}\n" for name in table.obs_names).encode(),
    }
    (folder / "m.mtx").unlink()
    for name, content in texts.items():
        file = folder / f"{start}{name}{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(content) if packed else content)
    return folder
