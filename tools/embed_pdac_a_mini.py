"""Writes datasets/pdac_a_mini/, the real tissue inside stbench: python tools/embed_pdac_a_mini.py PAIR

PAIR is the folder of pdac_a_st, for example of `stbench data fetch pdac_a_st`. All that is chosen is chosen
here, before any split and without any method.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from anndata import AnnData

from stbench.data.check import DATES
from stbench.data.prepare import MIN_GENES, variance
from stbench.data.recipes import labels, table
from stbench.files import read_h5ad
from stbench.toolbox.scale import log_normalise

SEED = 0
N_CELLS = 500
N_PANEL = 80  # genes in space
N_GENES = 1000  # in the reference, the panel included
MIN_SPOTS = 0.1  # the share of spots that detect a gene of the panel


def mini(reference: AnnData, spatial: AnnData) -> tuple[AnnData, AnnData]:
    """The small pair: all spots, and a seeded draw of the cells with `MIN_GENES` detected genes.

    The panel are the genes whose log-normalised values vary most in space, among those that `MIN_SPOTS` of
    the spots and any cell detect. The reference has these and the genes that vary most in it.
    """
    rng = np.random.default_rng(SEED)
    enough = np.flatnonzero(np.diff(reference.X.indptr) >= MIN_GENES)
    cells = reference[np.sort(rng.choice(enough, N_CELLS, replace=False))]
    genes = np.array(reference.var_names)
    named = np.array([DATES.fullmatch(gene) is None for gene in genes])  # a spreadsheet made dates of some
    seen = named & (np.asarray((cells.X > 0).sum(axis=0)).ravel() > 0)
    spots = spatial[:, genes]
    detected = np.asarray((spots.X > 0).mean(axis=0)).ravel()
    panel = genes[_top(variance(log_normalise(spots.X)), seen & (detected >= MIN_SPOTS), N_PANEL)]
    others = seen & ~np.isin(genes, panel)
    wide = genes[_top(variance(log_normalise(cells.X)), others, N_GENES - N_PANEL)]
    kept = [gene for gene in genes if gene in {*panel, *wide}]
    totals = [np.asarray(side.X.sum(axis=1)).ravel().astype("int64") for side in (cells, spots)]
    return (
        table(
            cells[:, kept].X,
            cells.obs_names,
            kept,
            obs={
                "cell_type": labels(cells.obs["cell_type"]),
                "n_umi_total": totals[0],
            },
        ),
        table(
            spots[:, sorted(panel)].X,
            spots.obs_names,
            sorted(panel),
            obs={"n_umi_total": totals[1]},
            spatial=spots.obsm["spatial"],
        ),
    )


def _top(scores: np.ndarray, allowed: np.ndarray, number: int) -> np.ndarray:
    """The positions of the ``number`` largest scores among the allowed ones."""
    return np.argsort(np.where(allowed, -scores, np.inf), kind="stable")[:number]


if __name__ == "__main__":
    pair = Path(sys.argv[1])
    out = Path(__file__).parents[1] / "datasets" / "pdac_a_mini"
    out.mkdir(exist_ok=True)
    for name, made in zip(
        ("sc", "st"), mini(read_h5ad(pair / "sc.h5ad"), read_h5ad(pair / "st.h5ad")), strict=True
    ):
        made.write_h5ad(out / f"{name}.h5ad", compression="gzip", compression_opts=9)
        print(made.shape, (out / f"{name}.h5ad").stat().st_size)
