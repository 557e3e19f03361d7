"""The spatial table of a task: asking it for a hidden gene says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from anndata import AnnData

from stbench.errors import HiddenGene


class Visible(AnnData):
    """AnnData of the visible genes that answers a request for a target with `HiddenGene`."""

    targets: frozenset[str] = frozenset()

    @classmethod
    def of(cls, spatial: AnnData, targets: Iterable[str]) -> Visible:
        """``spatial`` (spots x visible genes), shared not copied, that knows its hidden ``targets``."""
        table = cls(spatial)
        table.targets = frozenset(targets)
        return table

    def __getitem__(self, index: Any) -> AnnData:
        try:
            return super().__getitem__(index)
        except KeyError as error:
            asked = {
                str(name)
                for part in np.atleast_1d(np.asarray(index, dtype=object))
                for name in np.atleast_1d(part)
            }
            hidden = sorted(asked & self.targets)
            if not hidden:
                raise
            raise HiddenGene(
                f"'{hidden[0]}' is a target: its spatial values are hidden. "
                "task.spatial has the visible genes; the reference has all."
            ) from error
