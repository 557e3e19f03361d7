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
from typing import TYPE_CHECKING, Literal

from stbench.registry import Registry

if TYPE_CHECKING:
    from anndata import AnnData

Units = Literal["counts", "intensity"]
Load = Callable[..., tuple["AnnData", "AnnData"]]  # (folder) -> (reference, spatial)


@dataclass(frozen=True)
class Loader:
    """Loads one format; ``reads(folder)`` is whether a folder has it; an ``embedded`` one needs no folder."""

    name: str
    load: Callable[[Path | None], tuple[AnnData, AnnData]]
    reads: Callable[[Path], bool]
    embedded: bool = False


REGISTRY: Registry[Loader] = Registry("datasets", "loader")


def register(
    name: str, *, reads: Callable[[Path], bool] = lambda folder: False, embedded: bool = False
) -> Callable[[Load], Load]:
    """Decorator that registers ``load(folder) -> (reference, spatial)`` as a loader.

    Both are AnnData with raw values in ``X``, unique ``var_names``, and coordinates of the spots in
    ``spatial.obsm["spatial"]`` where they are known.
    """

    def add(load: Load) -> Load:
        REGISTRY.add(name, Loader(name, load, reads, embedded), load.__module__)
        return load

    return add


@dataclass(frozen=True)
class Card:
    """What is known about a dataset; everything but the name is optional.

    ``panel``, ``units``, ``reference_units`` and ``min_genes`` control the preparation; those that are
    missing on the card are inferred and reported. ``downsample`` is the share of the counts to keep in both
    tables (a seeded draw). `stbench.data.fetch` finds the dataset in the ``archive_folder`` of an archive of
    the Zenodo ``record``. The preparation compares its report with ``expected``, published figures under the
    names of the report (``cells_raw``, ``genes``, ...).
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
    record: str = ""
    archive_folder: str = ""
    expected: dict[str, float] = field(default_factory=dict)
