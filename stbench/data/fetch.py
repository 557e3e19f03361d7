"""Fetches a dataset into the cache: of raw files by a recipe, or out of the archives of public records."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from stbench.data.archives import extract_dataset
from stbench.data.checksums import LOCK_FILE, damage, folder_hashes
from stbench.data.download import Progress, silent
from stbench.data.rawfiles import make_pair
from stbench.dataset import Card
from stbench.errors import unknown_name
from stbench.files import cache_folder, read_json


def requested(names: Sequence[str], cards: dict[str, Card]) -> list[str]:
    """The names of datasets in ``names``, where groups stand for their datasets and ``all`` for every one.

    Raises `StbenchError` for a name that is neither.
    """
    groups = {"all": list(cards)}
    for name, card in cards.items():
        for group in card.groups:
            groups.setdefault(group, []).append(name)
    chosen: dict[str, None] = {}
    for name in names:
        if name not in groups and name not in cards:
            raise unknown_name("downloadable dataset or group", name, [*groups, *cards])
        chosen |= dict.fromkeys(groups.get(name, [name]))
    return list(chosen)


def fetch(
    card: Card,
    others: Sequence[Card],
    mirror: str | None = None,
    *,
    offline: bool = False,
    progress: Progress = silent,
) -> tuple[Path, bool]:
    """The folder of a dataset in the cache, and whether it is new.

    ``others`` are the other cards that can be fetched. ``mirror`` is asked instead of the public servers.
    With ``offline``, only files that were downloaded before are used. Raises `StbenchError` where a source
    cannot be read, has changed, or does not hold the dataset.
    """
    folder = cache_folder("datasets") / card.name
    if _up_to_date(folder, card):
        return folder, False
    if card.files:
        make_pair(card, folder, mirror, offline, progress)
    else:
        extract_dataset(card, others, folder, mirror, offline, progress)
    return folder, True


def verify(folder: Path) -> list[str]:
    """A line for each damaged file of a downloaded dataset; a damaged dataset is removed."""
    wrong = damage(folder, folder_hashes(folder))
    if wrong:
        shutil.rmtree(folder)
    return wrong


def _up_to_date(folder: Path, card: Card) -> bool:
    """Whether ``folder`` holds the dataset, undamaged, from the raw files that the card names now."""
    if not (folder / LOCK_FILE).is_file() or damage(folder, folder_hashes(folder)):
        return False
    lock = read_json(folder / LOCK_FILE)
    return not card.files or (lock.get("sources"), lock.get("recipe")) == (card.files, card.recipe)
