"""A simulated tissue, so that everything works with no data at all and a test knows the truth.

Cell types live in spatial domains; gene programs drive genes in a regulatory order (each program's genes
follow its regulator with falling strength); counts are negative binomial. The reference and the space see
the same cells' biology through a different platform: a factor per gene, capture loss, a targeted panel.
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
    import anndata
    import numpy as np
    import pandas as pd
    from scipy import sparse

    rng = np.random.default_rng(SEED)
    genes = np.array([f"Gene{i:03d}" for i in range(N_GENES)])
    loadings = _regulation(rng)
    type_programs = rng.normal(0, 1, (N_TYPES, N_PROGRAMS))
    baseline = rng.normal(0.3, 1.1, N_GENES)

    def rates(types: np.ndarray, programs: np.ndarray) -> np.ndarray:
        return np.exp(baseline + (0.8 * type_programs[types] + programs) @ loadings)  # (n_obs, n_genes)

    cell_types = rng.integers(0, N_TYPES, N_CELLS)
    reference = _negative_binomial(
        rng, rates(cell_types, rng.normal(0, 0.5, (N_CELLS, N_PROGRAMS))), depth=1.0
    )

    coordinates = rng.uniform(0, 1000, (N_SPOTS, 2))
    centres = rng.uniform(0, 1000, (3 * N_TYPES, 2))  # three patches of tissue per type
    spot_types = np.argmin(((coordinates[:, None] - centres) ** 2).sum(-1), axis=1) % N_TYPES
    strangers = rng.random(N_SPOTS) < 0.15  # a few cells of other types in every domain
    spot_types[strangers] = rng.integers(0, N_TYPES, strangers.sum())
    platform = np.exp(rng.normal(0, 0.5, N_GENES))
    spatial = _negative_binomial(rng, rates(spot_types, _gradients(rng, coordinates)) * platform, depth=1.0)
    panel = np.sort(rng.choice(N_GENES, N_PANEL, replace=False))
    names = [f"type{i}" for i in range(N_TYPES)]
    return (
        anndata.AnnData(
            sparse.csr_matrix(reference),
            obs=pd.DataFrame(
                {"cell_type": pd.Categorical([names[t] for t in cell_types])}, index=_names("cell", N_CELLS)
            ),
            var=pd.DataFrame(index=genes),
        ),
        anndata.AnnData(
            sparse.csr_matrix(spatial[:, panel]),
            obs=pd.DataFrame(index=_names("spot", N_SPOTS)),
            var=pd.DataFrame(index=genes[panel]),
            obsm={"spatial": coordinates.astype("float32")},
        ),
    )


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


def _negative_binomial(rng: np.random.Generator, rates: np.ndarray, depth: float) -> np.ndarray:
    """Counts (n_obs, n_genes) with variance ``mu + mu^2 / 4`` after a capture loss that varies per cell."""
    import numpy as np

    capture = depth * np.exp(rng.normal(0, 0.3, (len(rates), 1)))
    mean = rates * capture
    return rng.poisson(rng.gamma(4.0, mean / 4.0)).astype(np.float32)


def _names(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(n)]
