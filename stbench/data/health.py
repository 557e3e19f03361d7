"""How healthy a pair is: sizes, depth, whether the two sides belong together, whether space holds a pattern.

`structure` asks whether reference and space correlate the same genes with each other: another tissue or
shuffled gene names do not. `pattern` asks whether neighbouring spots are alike: a few spots drawn from all
over a tissue are not. Both come with a permutation null, and `stbench.data.check` turns them into words.
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
MAX_ROWS = 20_000  # cells or spots that the two tests look at, a seeded draw
MAX_GENES = 400  # the most variable ones
SEEN = 0.02  # share of cells, and of spots, that must see a gene
N_TOP = 10  # genes with the strongest pattern
N_DRAWS = {"structure": 499, "pattern": 99}


@dataclass(frozen=True)
class Side:
    """One table: sizes, share of zeros, medians over its rows, genes that never vary, repeated rows."""

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

    ``r`` correlates, over pairs of genes, the correlation in the reference with that in space; ``null`` is
    the 95 % quantile of the same under shuffled gene names, ``p`` its p-value. ``mean_rho`` is the Spearman
    correlation, over genes, of the mean expression in the reference with that in space.
    """

    r: float
    null: float
    p: float
    genes: int
    mean_rho: float


@dataclass(frozen=True)
class Pattern:
    """The genes with the highest Moran's I and the mean of these values.

    ``null`` is the 95 % quantile of that mean under shuffled spots (the highest ones chosen anew), ``p`` its
    p-value.
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
    """Do both sides correlate the same genes? None where fewer than ten shared genes are seen in both.

    Looks at the shared genes seen in over 2 % of cells and of spots, at most the 400 most variable in space.
    """
    rng = np.random.default_rng(SEED)
    shared = sorted(set(reference.var_names) & set(spatial.var_names))
    cells = _scaled(_some_rows(reference, rng), reference_units)[:, shared]
    spots = _scaled(_some_rows(spatial, rng), units)[:, shared]
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
    """Is there a spatial pattern? None without coordinates or with fewer spots than neighbours.

    Moran's I on the graph of six neighbours, over the 400 most variable genes.
    """
    if "spatial" not in spatial.obsm or spatial.n_obs <= N_NEIGHBORS:
        return None
    rng = np.random.default_rng(SEED)
    spots = _scaled(_some_rows(spatial, rng), units)
    genes = _most_variable(spots)
    weights, z = spot_graph(spots.obsm["spatial"]), zscore(dense(spots, genes))

    def strongest(values: np.ndarray) -> float:
        return float(np.sort(values)[-N_TOP:].mean())

    values = morans_i(z, weights)
    mean = strongest(values)
    draws = np.array([strongest(morans_i(rng.permutation(z), weights)) for _ in range(N_DRAWS["pattern"])])
    top = {genes[i]: float(values[i]) for i in np.argsort(-values)[:N_TOP]}
    return Pattern(top, mean, float(np.quantile(draws, 0.95)), _p_value(mean, draws))


def _some_rows(table: AnnData, rng: np.random.Generator) -> AnnData:
    if table.n_obs <= MAX_ROWS:
        return table
    return table[np.sort(rng.choice(table.n_obs, MAX_ROWS, replace=False))]


def _scaled(table: AnnData, units: str) -> AnnData:
    """A copy on the scale of the benchmark."""
    scaled = table.copy()
    scaled.X = log_normalise(table.X) if units == "counts" else sparse.csr_matrix(table.X).log1p()
    return scaled


def _most_variable(table: AnnData) -> list[str]:
    order = np.argsort(-variance(table.X), kind="stable")
    return list(table.var_names[order[:MAX_GENES]])


def _p_value(value: float, draws: np.ndarray) -> float:
    return float((1 + (draws >= value).sum()) / (1 + len(draws)))
