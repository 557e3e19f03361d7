"""The task of a method: the whole reference, the visible genes in space, and the names of the targets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from stbench.errors import HiddenGene, StbenchError, Unsupported
from stbench.tables import dense, varies

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


@dataclass(frozen=True, repr=False)
class Task:
    """One prediction task; the hidden values are not in the process.

    Attributes
    ----------
    reference
        scRNA-seq, cells x genes, with all its genes. ``X`` is ``log(N c / sum(c) + 1)`` (Eq. 4 of the
        CausalGeD paper), ``layers["counts"]`` the counts where the units are counts, ``obs["cell_type"]``
        the labels where they are known, ``var["highly_variable"]`` the 25 % most variable genes.
    spatial
        spots x visible genes. ``X`` and ``layers["counts"]`` as above, with sums over visible genes only;
        for intensities ``X = log1p(value)`` and no counts. ``var["split"]`` is ``train`` or ``val``;
        ``obsm["spatial"]`` holds coordinates where they are known.
    targets
        Names of the genes to predict, all in the reference, none in ``spatial``.
    units
        ``counts`` or ``intensity``, of the spatial values.
    """

    reference: AnnData
    spatial: AnnData
    targets: list[str]
    units: str = "counts"

    def __post_init__(self) -> None:
        object.__setattr__(self, "spatial", _visible_table()(self.spatial, self.targets))

    def __repr__(self) -> str:
        cells, spots = self.reference.shape, self.spatial.shape
        return (
            f"Task: {len(self.targets)} genes to predict at {spots[0]} spots, from {spots[1]} visible genes "
            f"and a reference of {cells[0]} cells x {cells[1]} genes ({self.units})"
        )

    @property
    def visible(self) -> list[str]:
        """Names of the visible genes, in the order of ``spatial``."""
        return list(self.spatial.var_names)

    def validation(self) -> tuple[Task, np.ndarray]:
        """The inner task for every tuned choice, train genes visible and val genes as targets, and its truth.

        The truth is an array (n_spots, n_val) on the scale of ``spatial.X``.
        """
        return self.hide(self.spatial.var_names[self.spatial.var["split"] == "val"])

    def hide(self, genes: Iterable[str]) -> tuple[Task, np.ndarray]:
        """An inner task with some visible genes as targets, normalised anew without them, and their truth."""
        from stbench.toolbox.scale import log_normalise

        hidden = list(genes)
        keep = [gene for gene in self.visible if gene not in set(hidden)]
        if not hidden or not keep or not set(hidden) <= set(self.visible):
            raise StbenchError("hide() needs some, and not all, of the visible genes.")
        inner = self.spatial[:, keep].copy()
        if self.units == "counts":
            inner.X = log_normalise(inner.layers["counts"])
        return Task(self.reference, inner, hidden, self.units), dense(self.spatial, hidden)

    def require_counts(self) -> None:
        """Raise `Unsupported` unless both sides are counts."""
        if self.units != "counts" or "counts" not in self.reference.layers:
            raise Unsupported("needs counts on both sides; this dataset has intensities")

    def coordinates(self) -> np.ndarray:
        """Coordinates of the spots, (n_spots, 2 or 3), float64; raises `Unsupported` without them."""
        import numpy as np

        if "spatial" not in self.spatial.obsm:
            raise Unsupported("needs coordinates in obsm['spatial']; this dataset has none")
        return np.asarray(self.spatial.obsm["spatial"], dtype=float)

    def varying_genes(self) -> list[str]:
        """The visible genes that vary in the reference and in space, so that they have a z-score."""
        reference, space = varies(self.reference[:, self.visible].X), varies(self.spatial.X)
        genes = [gene for gene, a, b in zip(self.visible, reference, space, strict=True) if a and b]
        if not genes:
            raise StbenchError("No visible gene varies both in the reference and in space.")
        return genes


@cache
def _visible_table() -> type[AnnData]:
    """The class of ``Task.spatial``; a function, because AnnData is slow to import."""
    import numpy as np
    from anndata import AnnData

    class VisibleTable(AnnData):  # type: ignore[misc]  # anndata has no types, so its class is Any
        """``spatial`` (spots x visible genes), not copied; a request for a target raises `HiddenGene`."""

        def __init__(self, spatial: AnnData, targets: Iterable[str] = (), **parts: Any):
            super().__init__(spatial, **parts)
            self.targets = frozenset(targets)

        def __getitem__(self, index: Any) -> AnnData:
            try:
                return super().__getitem__(index)
            except KeyError as error:
                parts = index if isinstance(index, tuple) else (index,)
                requested = {str(name) for part in parts for name in np.atleast_1d(part)}
                hidden = sorted(requested & self.targets)
                if not hidden:
                    raise
                raise HiddenGene(
                    f"'{hidden[0]}' is a target: its spatial values are hidden. "
                    "task.spatial has the visible genes; the reference has all."
                ) from error

    return VisibleTable
