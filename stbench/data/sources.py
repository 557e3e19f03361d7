"""The known datasets: embedded, in the folders of ``--data``, downloaded, or described by a card only.

A dataset has the name of its folder; the path of a folder may be given instead of a name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stbench.cards import read_card
from stbench.dataset import REGISTRY, Card
from stbench.datasets import __path__ as CARD_FOLDERS
from stbench.errors import StbenchError, first_line, unknown_name
from stbench.files import cache_folder

if TYPE_CHECKING:
    from anndata import AnnData

CARD_FILE = "card.toml"
SMALL = "small"  # the group of the datasets that are fetched first


@dataclass(frozen=True)
class Dataset:
    """A dataset; ``problem`` is the reason why it cannot be used here, None where it can.

    An ``embedded`` one comes with stbench: a loader makes it, or its folder lies beside its card.
    """

    name: str
    card: Card
    loader: str | None = None
    folder: Path | None = None
    problem: str | None = None
    embedded: bool = False

    @property
    def fetchable(self) -> bool:
        """Whether ``stbench data fetch`` can download it."""
        return self.folder is None and self.card.fetchable

    def with_rules(self, **rules: Any) -> Dataset:
        """The dataset with rules on its card, see `stbench.dataset.Card`; None and False change nothing."""
        given = {name: value for name, value in rules.items() if value is not None and value is not False}
        return replace(self, card=replace(self.card, **given))

    def load(self) -> tuple[AnnData, AnnData]:
        """Reference and spatial table with raw values, from the loader; `StbenchError` where it fails."""
        self.require()
        try:
            return REGISTRY.get(str(self.loader)).load(self.folder)
        except StbenchError:
            raise
        except Exception as error:  # a loader may be a plugin, and files may hold anything
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise StbenchError(
                f"Dataset '{self.name}' cannot be loaded by '{self.loader}' ({reason})."
            ) from error

    def require(self) -> None:
        """Raise `StbenchError` where the dataset cannot be used."""
        if self.problem is not None:
            raise StbenchError(f"Dataset '{self.name}' is not available: {self.problem}")


def data_folders(given: Iterable[Path] = ()) -> list[Path]:
    """The folders of ``--data`` and ``$STBENCH_DATA``; `StbenchError` for one that does not exist."""
    from_environment = [Path(part) for part in os.environ.get("STBENCH_DATA", "").split(os.pathsep) if part]
    folders = list(dict.fromkeys(path.resolve() for path in [*given, *from_environment]))
    for folder in folders:
        if not folder.is_dir():
            raise StbenchError(f"Data folder '{folder}' does not exist. Check --data or $STBENCH_DATA.")
    return folders


def known_cards() -> dict[str, Card]:
    """The cards of stbench by the name of their dataset. These names are reserved."""
    return {
        file.stem: read_card(file, Card, name=file.stem)
        for folder in CARD_FOLDERS
        for file in sorted(Path(folder).glob("*.toml"))
    }


def catalogue(folders: Sequence[Path]) -> dict[str, Dataset]:
    """Every known dataset by name, available or not."""
    cards = known_cards()
    found = {
        name: Dataset(name, card, card.loader, embedded=True)
        for name, card in cards.items()
        if card.loader is not None and REGISTRY.get(card.loader).embedded
    }
    for path in (Path(folder) / name for folder in CARD_FOLDERS for name in cards):
        if path.is_dir():
            found[path.name] = replace(dataset_in(path, cards[path.name]), embedded=True)
    for folder in folders:
        for path in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
            if path.name in found:
                where = "stbench itself" if found[path.name].embedded else found[path.name].folder
                raise StbenchError(f"Dataset '{path.name}' is in '{where}' and '{path}'. Rename one folder.")
            found[path.name] = dataset_in(path, cards.get(path.name))
    found |= {name: _from_cache(name, card) for name, card in cards.items() if name not in found}
    return dict(sorted(found.items()))


def select(names: Sequence[str], known: dict[str, Dataset]) -> tuple[list[Dataset], list[str]]:
    """The datasets called ``names``, and messages about those that were left out.

    A name may be the path of a folder. ``all`` is every available dataset except the embedded ones, or the
    embedded ones where no other is available. Raises `StbenchError` for a name that is unknown or ambiguous,
    and for a dataset that is not available.
    """
    if list(names) != ["all"]:
        chosen = [dataset_called(name, known) for name in dict.fromkeys(names)]
        for dataset in chosen:
            dataset.require()
            if sum(other.name == dataset.name for other in chosen) > 1:
                raise StbenchError(f"Two of the datasets are called '{dataset.name}'. Rename one folder.")
        return chosen, []
    usable = [dataset for dataset in known.values() if dataset.problem is None]
    real = [dataset for dataset in usable if not dataset.embedded]
    broken = [d for d in known.values() if d.problem is not None and d.folder is not None]
    absent = [d for d in known.values() if d.problem is not None and d.folder is None]
    notices = [f"Left out: {d.name}: {d.problem}" for d in broken]
    if number := sum(dataset.fetchable for dataset in absent):
        notices.append(f"Left out: {number} public datasets that are not downloaded (see stbench data list).")
    if names := [dataset.name for dataset in absent if not dataset.fetchable]:
        notices.append(f"Left out, no folder (stbench data info NAME): {', '.join(names)}.")
    if not real:
        using = " and ".join(dataset.name for dataset in usable)
        notices.append(f"No other data here, in --data or $STBENCH_DATA: using the embedded {using}.")
    return real or usable, notices


def to_fetch(known: dict[str, Dataset]) -> str | None:
    """What one command would bring, where nothing but the embedded datasets is here; None otherwise."""
    small = [dataset for dataset in known.values() if SMALL in dataset.card.groups and dataset.fetchable]
    if not small or any(dataset.problem is None and not dataset.embedded for dataset in known.values()):
        return None
    files = {file["sha256"]: file["bytes"] for dataset in small for file in dataset.card.files.values()}
    size = f"{sum(files.values()) / 1e6:.0f} MB"
    return f"One command brings {len(small)} real pairs ({size}): stbench data fetch {SMALL}"


def dataset_called(name: str, known: dict[str, Dataset]) -> Dataset:
    """The dataset of this name, or in the folder of this path; `StbenchError` where there is neither.

    As with ``--data``, a folder with the name of a public dataset gets its card. One with the name of an
    embedded dataset does not: it is another tissue.
    """
    folder = Path(name).resolve()
    if name in known:
        if known[name].embedded and dataset_in(folder).problem is None:
            raise StbenchError(
                f"'{name}' comes with stbench and is a folder here: give './{name}' for the folder."
            )
        return known[name]
    if folder.is_dir():
        namesake = known.get(folder.name)
        return dataset_in(folder, None if namesake is None or namesake.embedded else namesake.card)
    if os.sep in name:
        raise StbenchError(f"Dataset folder '{name}' does not exist.")
    raise unknown_name("dataset", name, known)


def _from_cache(name: str, card: Card) -> Dataset:
    """The downloaded dataset of a card, or an absent one with the reason."""
    if not card.fetchable:
        return Dataset(name, card, problem=f"no folder '{name}' in --data or $STBENCH_DATA. {card.obtain}")
    folder = cache_folder("datasets") / name
    if not folder.is_dir():
        return Dataset(name, card, problem=f"it is not downloaded. Run: stbench data fetch {name}")
    return dataset_in(folder, card)


def dataset_in(folder: Path, known_card: Card | None = None) -> Dataset:
    """The dataset in ``folder``, with a ``problem`` where the card or the files cannot be used."""
    card = known_card or Card(folder.name)
    try:
        if (folder / CARD_FILE).is_file():
            card = read_card(folder / CARD_FILE, Card, name=folder.name)
        loaders = [name for name, loader in REGISTRY.items().items() if loader.reads(folder)]
    except StbenchError as error:
        return Dataset(folder.name, card, problem=str(error))
    if card.loader is not None or len(loaders) == 1:
        return Dataset(folder.name, card, card.loader or loaders[0], folder)
    problem = "it holds neither sc.h5ad + st.h5ad nor scRNA_count.txt + Spatial_count.txt"
    if loaders:
        problem = f"more than one loader reads it ({', '.join(loaders)}): name one as 'loader' in card.toml"
    return Dataset(folder.name, card, folder=folder, problem=f"'{folder}': {problem}.")
