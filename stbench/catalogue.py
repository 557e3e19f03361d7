"""Which datasets there are: the embedded ones, the folders given with ``--data``, and the known cards."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.datasets import REGISTRY, Card
from stbench.datasets import __path__ as CARD_FOLDERS
from stbench.errors import StbenchError, unknown_name

if TYPE_CHECKING:
    from anndata import AnnData

CARD_FILE = "card.toml"


@dataclass(frozen=True)
class Dataset:
    """One dataset by name; ``problem`` says why it cannot be used here, None where it can."""

    name: str
    card: Card
    loader: str | None = None
    folder: Path | None = None
    problem: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the dataset comes with stbench, without files."""
        return self.problem is None and self.folder is None

    def load(self) -> tuple[AnnData, AnnData]:
        """Reference and spatial table with raw values, as the loader reads them."""
        if self.problem is not None or self.loader is None:
            raise StbenchError(f"Dataset '{self.name}' is not available: {self.problem}")
        return REGISTRY.get(self.loader).load(self.folder)


def data_folders(given: Iterable[Path] = ()) -> list[Path]:
    """The folders of ``--data`` and of ``$STBENCH_DATA``; an error for one that does not exist."""
    from_environment = [Path(part) for part in os.environ.get("STBENCH_DATA", "").split(os.pathsep) if part]
    folders = list(dict.fromkeys(path.resolve() for path in [*given, *from_environment]))
    for folder in folders:
        if not folder.is_dir():
            raise StbenchError(f"Data folder '{folder}' does not exist. Check --data or $STBENCH_DATA.")
    return folders


def catalogue(folders: Sequence[Path]) -> dict[str, Dataset]:
    """Every dataset known here by name: available ones and known ones that are not."""
    cards = {
        file.stem: read_card(file) for folder in CARD_FOLDERS for file in sorted(Path(folder).glob("*.toml"))
    }
    found: dict[str, Dataset] = {}
    for name, card in cards.items():
        if card.loader is not None and REGISTRY.get(card.loader).embedded:
            found[name] = Dataset(name, card, card.loader)
    for folder in folders:
        for path in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
            if path.name in found:
                where = found[path.name].folder or "stbench itself"
                raise StbenchError(
                    f"Dataset '{path.name}' is in '{where}' and in '{path}'. Rename one folder."
                )
            found[path.name] = _from_folder(path, cards.get(path.name))
    for name, card in cards.items():
        if name not in found:
            found[name] = Dataset(
                name, card, problem=f"no folder '{name}' in --data or $STBENCH_DATA. {card.obtain}"
            )
    return dict(sorted(found.items()))


def select(names: Sequence[str], known: dict[str, Dataset]) -> tuple[list[Dataset], list[str]]:
    """The datasets called ``names`` (``all``: every one available), and what to tell the user about it."""
    if list(names) != ["all"]:
        for name in names:
            if name not in known:
                raise unknown_name("dataset", name, known)
            if known[name].problem is not None:
                raise StbenchError(f"Dataset '{name}' is not available: {known[name].problem}")
        return [known[name] for name in dict.fromkeys(names)], []
    usable = [dataset for dataset in known.values() if dataset.problem is None]
    real = [dataset for dataset in usable if not dataset.embedded]
    notices = [f"Not here: {d.name}: {d.problem}" for d in known.values() if d.problem is not None]
    if not real:
        notices.append(
            "No real datasets here (give their folder with --data or $STBENCH_DATA): "
            "using the embedded simulated tissue."
        )
    return real or usable, notices


def read_card(file: Path) -> Card:
    """The card in a TOML file, checked; its name is the file's, or the folder's for a ``card.toml``."""
    from pydantic import TypeAdapter, ValidationError

    try:
        content = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise StbenchError(f"Card '{file}' is not readable TOML ({error}).") from error
    name = file.parent.name if file.name == CARD_FILE else file.stem
    unknown = set(content) - set(Card.__dataclass_fields__)
    if unknown:
        raise StbenchError(f"Card '{file}': {unknown_name('field', min(unknown), Card.__dataclass_fields__)}")
    try:
        return replace(TypeAdapter(Card).validate_python({"name": name} | content), name=name)
    except ValidationError as error:
        first = error.errors()[0]
        raise StbenchError(f"Card '{file}', field '{first['loc'][0]}': {first['msg']}.") from error


def _from_folder(folder: Path, known_card: Card | None) -> Dataset:
    card = known_card or Card(folder.name)
    try:
        if (folder / CARD_FILE).is_file():
            card = read_card(folder / CARD_FILE)
        loaders = [name for name, loader in REGISTRY.items().items() if loader.reads(folder)]
    except StbenchError as error:
        return Dataset(folder.name, card, problem=str(error))
    if card.loader is not None:
        return Dataset(folder.name, card, card.loader, folder)
    if len(loaders) == 1:
        return Dataset(folder.name, card, loaders[0], folder)
    what = f"more than one loader reads it ({', '.join(loaders)}): name one as 'loader' in its card.toml"
    nothing = "it holds neither sc.h5ad + st.h5ad nor scRNA_count.txt + Spatial_count.txt"
    return Dataset(folder.name, card, folder=folder, problem=f"'{folder}': {what if loaders else nothing}.")
