"""Ten folds of genes: rotation k tests fold k, validates on the next two, trains on the rest (70/20/10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from stbench.errors import StbenchError

N_FOLDS = 10


@dataclass(frozen=True)
class Split:
    """The gene names of a split by role."""

    rotation: int
    split_seed: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def hash(self) -> str:
        """A hash of the names and roles only."""
        content = json.dumps([sorted(part) for part in (self.train, self.val, self.test)])
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def make_splits(genes: Sequence[str], n_splits: int = 1, split_seed: int = 0) -> list[Split]:
    """The first ``n_splits`` rotations (1 to 10) over ``genes``, permuted with ``split_seed``.

    Raises `StbenchError` for fewer than ten genes and for another number of splits.
    """
    import numpy as np  # not above, because the command line reads N_FOLDS and starts without numpy

    if len(genes) < N_FOLDS:
        raise StbenchError(
            f"Only {len(genes)} genes are shared and usable; at least {N_FOLDS} are needed to split them."
        )
    if not 1 <= n_splits <= N_FOLDS:
        raise StbenchError(f"--splits takes 1 to {N_FOLDS}, not {n_splits}.")
    shuffled = np.random.default_rng(split_seed).permutation(sorted(genes))
    folds = [[str(gene) for gene in fold] for fold in np.array_split(shuffled, N_FOLDS)]
    splits = []
    for k in range(n_splits):
        val = [(k + 1) % N_FOLDS, (k + 2) % N_FOLDS]
        train = [i for i in range(N_FOLDS) if i not in (k, *val)]
        genes_of_roles = (tuple(gene for i in role for gene in folds[i]) for role in (train, val, [k]))
        splits.append(Split(k, split_seed, *genes_of_roles))
    return splits
