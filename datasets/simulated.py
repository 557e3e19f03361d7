"""A simulated tissue, so that stbench works without data and tests know the truth.

Each cell type has its spatial domains. Each gene program has a regulator and targets that follow it with
falling strength. Counts are negative binomial. Reference and space share the biology but not the platform:
space has a factor per gene and a targeted panel.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import register

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

SEED = 20240
N_TYPES, N_PROGRAMS = 6, 10
N_CELLS, N_SPOTS, N_GENES, N_PANEL = 700, 600, 400, 80


@register("simulated", embedded=True)
def load_simulated(folder: Path | None = None) -> tuple[AnnData, AnnData]:
    """Reference (700 cells x 400 genes) and space (600 spots x an 80-gene panel), always the same."""
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

    rng = np.random.default_rng(SEED)
    genes = np.array([f"Gene{i:03d}" for i in range(N_GENES)])
    loadings = _regulation(rng)
    type_programs = rng.normal(0, 1, (N_TYPES, N_PROGRAMS))
    baseline = rng.normal(0.3, 1.1, N_GENES)

    def rates(types: np.ndarray, programs: np.ndarray) -> np.ndarray:
        return np.exp(baseline + (0.8 * type_programs[types] + programs) @ loadings)  # (n_obs, n_genes)

    cell_types = rng.integers(0, N_TYPES, N_CELLS)
    reference = AnnData(
        sparse.csr_matrix(_counts(rng, rates(cell_types, rng.normal(0, 0.5, (N_CELLS, N_PROGRAMS))))),
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical([f"type{i}" for i in cell_types])},
            index=[f"cell{i}" for i in range(N_CELLS)],
        ),
        var=pd.DataFrame(index=genes),
    )

    coordinates = rng.uniform(0, 1000, (N_SPOTS, 2))
    centres = rng.uniform(0, 1000, (3 * N_TYPES, 2))  # three patches of tissue per type
    spot_types = np.argmin(((coordinates[:, None] - centres) ** 2).sum(-1), axis=1) % N_TYPES
    mixed = rng.random(N_SPOTS) < 0.15  # a few cells of other types in every domain
    spot_types[mixed] = rng.integers(0, N_TYPES, mixed.sum())
    platform = np.exp(rng.normal(0, 0.5, N_GENES))
    counts = _counts(rng, rates(spot_types, _gradients(rng, coordinates)) * platform)
    panel = np.sort(rng.choice(N_GENES, N_PANEL, replace=False))
    spatial = AnnData(
        sparse.csr_matrix(counts[:, panel]),
        obs=pd.DataFrame(index=[f"spot{i}" for i in range(N_SPOTS)]),
        var=pd.DataFrame(index=genes[panel]),
        obsm={"spatial": coordinates.astype("float32")},
    )
    return reference, spatial


def _regulation(rng: np.random.Generator) -> np.ndarray:
    """Loadings (n_programs, n_genes): a regulator first, its targets after it with falling strength."""
    import numpy as np

    loadings = np.zeros((N_PROGRAMS, N_GENES))
    for program, members in enumerate(np.array_split(rng.permutation(N_GENES), N_PROGRAMS)):
        strength = np.geomspace(1.2, 0.2, len(members))
        loadings[program, members] = strength * rng.choice([1, -1], len(members), p=[0.8, 0.2])
    return loadings


def _gradients(rng: np.random.Generator, coordinates: np.ndarray) -> np.ndarray:
    """Program activity (n_spots, n_programs) that varies smoothly over the tissue."""
    import numpy as np

    waves = rng.normal(0, 1, (2, N_PROGRAMS)) / 300
    return 0.7 * np.sin(coordinates @ waves + rng.uniform(0, 2 * np.pi, N_PROGRAMS))


def _counts(rng: np.random.Generator, rates: np.ndarray) -> np.ndarray:
    """Negative binomial counts (n_obs, n_genes), variance ``mu + mu^2 / 4``, with a capture rate per cell."""
    import numpy as np

    mean = rates * np.exp(rng.normal(0, 0.3, (len(rates), 1)))
    return rng.poisson(rng.gamma(4.0, mean / 4.0)).astype(np.float32)
