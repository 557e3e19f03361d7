"""The contract of a dataset: a card (TOML) and a loader. Both are files of ``datasets/``.

::

    from stbench.datasets import register

    @register("pair", reads=lambda folder: (folder / "sc.h5ad").is_file())
    def load_pair(folder): ...        # -> (reference, spatial), two AnnData with raw values in X
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from stbench.registry import Registry

if TYPE_CHECKING:
    from anndata import AnnData

Units = Literal["counts", "intensity"]
Load = Callable[..., tuple["AnnData", "AnnData"]]  # (folder) -> (reference, spatial)


class Sizes(TypedDict):
    """The sizes of the two tables of a pair, under the names of the report of the preparation."""

    cells_raw: int
    reference_genes_raw: int
    spots_raw: int
    spatial_genes_raw: int


@dataclass(frozen=True)
class Loader:
    """Loads one format; ``reads(folder)`` is whether a folder has it; an ``embedded`` one needs no folder.

    ``sizes(folder)`` finds the sizes without reading the values, where the format allows it.
    """

    name: str
    load: Callable[[Path | None], tuple[AnnData, AnnData]]
    reads: Callable[[Path], bool]
    embedded: bool = False
    sizes: Callable[[Path], Sizes] | None = None


REGISTRY: Registry[Loader] = Registry("datasets", "loader")


def register(
    name: str,
    *,
    reads: Callable[[Path], bool] = lambda folder: False,
    embedded: bool = False,
    sizes: Callable[[Path], Sizes] | None = None,
) -> Callable[[Load], Load]:
    """Decorator that registers ``load(folder) -> (reference, spatial)`` as a loader.

    Both are AnnData with raw values in ``X``, unique ``var_names``, and coordinates of the spots in
    ``spatial.obsm["spatial"]`` where they are known. A recipe is a loader without ``reads``: it gets a
    folder with the raw ``files`` of a card, under their names on the card.
    """

    def add(load: Load) -> Load:
        REGISTRY.add(name, Loader(name, load, reads, embedded, sizes), load.__module__)
        return load

    return add


class RawFile(TypedDict):
    """A file of a public repository (``owner/name``) at one commit, given in full."""

    repository: str
    commit: str
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Card:
    """What is known about a dataset; everything but the name is optional.

    ``panel``, ``units``, ``reference_units`` and ``min_genes`` control the preparation; those that are
    missing on the card are inferred and reported. ``downsample`` is the share of the counts to keep in both
    tables (a seeded draw). With ``match_genes``, names of genes that differ in writing are matched, see
    `stbench.data.genenames`. ``sections`` is the column of the spatial ``obs`` with the section of each spot,
    or ``one``, see `stbench.data.sections`. The preparation compares its report with ``expected``, published
    figures under the names of the report (``cells_raw``, ``genes``, ...).

    `stbench.data.fetch` makes the pair of the raw ``files`` with the ``recipe``, a loader; or it searches
    ``records``: the numbers of Zenodo records, in order, with the name of the dataset's folder in each.
    ``groups`` are names under which several datasets are fetched at once. ``unverified`` is what nobody could
    check when the card was written, and why.
    """

    name: str
    title: str = ""
    tissue: str = ""
    species: str = ""
    reference_platform: str = ""
    spatial_platform: str = ""
    reference_source: str = ""
    spatial_source: str = ""
    accession: str = ""
    license: str = ""
    obtain: str = ""
    notes: str = ""
    loader: str | None = None
    panel: Literal["targeted", "transcriptome"] | None = None
    units: Units | None = None
    reference_units: Units | None = None
    min_genes: int | None = None
    downsample: float | None = None
    match_genes: bool = False
    sections: str | None = None
    groups: list[str] = field(default_factory=list)
    unverified: str = ""
    recipe: str = ""
    files: dict[str, RawFile] = field(default_factory=dict)
    records: dict[str, str] = field(default_factory=dict)
    expected: dict[str, float] = field(default_factory=dict)

    @property
    def fetchable(self) -> bool:
        """Whether the card names a public source that ``stbench data fetch`` can read."""
        return bool(self.files or self.records)
