"""How healthy a pair is: sizes, depth, whether the two sides belong together, whether spots form a pattern.

`structure` tests whether the same genes correlate in the reference and in space. They do not in two different
tissues or with shuffled gene names. `pattern` tests whether neighbouring spots are alike. They are not where
a few spots were drawn from the whole tissue. Both compare with permutations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from anndata import AnnData
from scipy import sparse
from scipy.stats import spearmanr

from stbench.data.prepare import variance
from stbench.tables import dense, varies
from stbench.toolbox.moran import N_NEIGHBORS, morans_i, spot_graph
from stbench.toolbox.scale import log_normalise, zscore

SEED = 0
MAX_ROWS = 20_000  # cells or spots that the two tests use, a seeded draw
MAX_GENES = 400  # the most variable ones
SEEN = 0.02  # share of cells, and of spots, in which a gene must be detected
N_TOP = 10  # genes with the strongest pattern
N_DRAWS = {"structure": 499, "pattern": 99}


@dataclass(frozen=True)
class Side:
    """The figures of one raw table: ``zeros`` is a share, the medians are over the rows."""

    rows: int
    genes: int
    zeros: float
    median_total: float
    median_genes: float
    constant_genes: int
    repeated_rows: int


@dataclass(frozen=True)
class Structure:
    """Agreement of the gene-gene correlations of the two sides.

    ``r`` is the correlation, over pairs of genes, of their correlation in the reference with that in space.
    ``null`` is the 95 % quantile of ``r`` with shuffled gene names, ``p`` the p-value. ``mean_rho`` is the
    Spearman correlation, over genes, of the mean expression in the reference with that in space.
    """

    r: float
    null: float
    p: float
    genes: int
    mean_rho: float


@dataclass(frozen=True)
class Pattern:
    """The genes with the highest Moran's I and the mean of these values.

    ``null`` is the 95 % quantile of that mean with shuffled spots (the highest values are chosen anew), ``p``
    the p-value.
    """

    top: dict[str, float]
    mean: float
    null: float
    p: float


def side(table: AnnData) -> Side:
    """The figures of one raw table; repeated rows are equal in every value and in their coordinates."""
    values = sparse.csr_matrix(table.X)
    values.eliminate_zeros()
    values.sort_indices()
    totals = np.asarray(values.sum(axis=1, dtype=float)).ravel()
    places = np.asarray(table.obsm["spatial"]) if "spatial" in table.obsm else np.zeros((table.n_obs, 0))
    parts = [slice(*ends) for ends in zip(values.indptr[:-1], values.indptr[1:], strict=True)]
    rows = {
        (values.indices[part].tobytes(), values.data[part].tobytes(), place.tobytes())
        for part, place in zip(parts, places, strict=True)
    }
    return Side(
        rows=table.n_obs,
        genes=table.n_vars,
        zeros=1 - values.nnz / (table.n_obs * table.n_vars),
        median_total=float(np.median(totals)),
        median_genes=float(np.median(np.diff(values.indptr))),
        constant_genes=int((~varies(values)).sum()),
        repeated_rows=table.n_obs - len(rows),
    )


def structure(
    reference: AnnData, spatial: AnnData, *, reference_units: str = "counts", units: str = "counts"
) -> Structure | None:
    """Agreement of the gene-gene correlations; None where fewer than ten shared genes can be used.

    These are the genes detected in over 2 % of cells and of spots, at most the 400 most variable in space.
    """
    rng = np.random.default_rng(SEED)
    shared = sorted(set(reference.var_names) & set(spatial.var_names))
    cells = _some_rows(reference, reference_units, rng)[:, shared]
    spots = _some_rows(spatial, units, rng)[:, shared]
    seen = [np.asarray((table.X > 0).mean(axis=0)).ravel() > SEEN for table in (cells, spots)]
    genes = _most_variable(spots[:, seen[0] & seen[1]])
    if len(genes) < N_TOP:
        return None
    a, b = dense(cells, genes), dense(spots, genes)
    of_cells, of_spots = (zscore(values).T @ zscore(values) / len(values) for values in (a, b))
    pairs = np.triu_indices(len(genes), 1)

    def agreement(order: np.ndarray) -> float:
        return float(np.corrcoef(of_cells[np.ix_(order, order)][pairs], of_spots[pairs])[0, 1])

    r = agreement(np.arange(len(genes)))
    draws = np.array([agreement(rng.permutation(len(genes))) for _ in range(N_DRAWS["structure"])])
    rho = spearmanr(cells.X.mean(axis=0).A1, spots.X.mean(axis=0).A1).statistic
    return Structure(r, float(np.quantile(draws, 0.95)), _p_value(r, draws), len(genes), float(rho))


def pattern(spatial: AnnData, *, units: str = "counts") -> Pattern | None:
    """Moran's I of the 400 most variable genes on the graph of six neighbours.

    None without coordinates, or without more spots than neighbours.
    """
    if "spatial" not in spatial.obsm or spatial.n_obs <= N_NEIGHBORS:
        return None
    rng = np.random.default_rng(SEED)
    spots = _some_rows(spatial, units, rng)
    genes = _most_variable(spots)
    weights, z = spot_graph(spots.obsm["spatial"]), zscore(dense(spots, genes))

    def strongest(values: np.ndarray) -> float:
        return float(np.sort(values)[-N_TOP:].mean())

    values = morans_i(z, weights)
    mean = strongest(values)
    draws = np.array([strongest(morans_i(rng.permutation(z), weights)) for _ in range(N_DRAWS["pattern"])])
    top = {genes[i]: float(values[i]) for i in np.argsort(-values)[:N_TOP]}
    return Pattern(top, mean, float(np.quantile(draws, 0.95)), _p_value(mean, draws))


def _some_rows(table: AnnData, units: str, rng: np.random.Generator) -> AnnData:
    """A copy of at most `MAX_ROWS` rows, on the scale of the benchmark."""
    if table.n_obs > MAX_ROWS:
        table = table[np.sort(rng.choice(table.n_obs, MAX_ROWS, replace=False))]
    scaled = table.copy()
    scaled.X = log_normalise(table.X) if units == "counts" else sparse.csr_matrix(table.X).log1p()
    return scaled


def _most_variable(table: AnnData) -> list[str]:
    order = np.argsort(-variance(table.X), kind="stable")
    return list(table.var_names[order[:MAX_GENES]])


def _p_value(value: float, draws: np.ndarray) -> float:
    return float((1 + (draws >= value).sum()) / (1 + len(draws)))
