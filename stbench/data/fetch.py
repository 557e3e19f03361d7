"""Fetches a dataset of a public record: finds the archive, extracts the folder, writes a lock file."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import IO

from stbench.data.checksums import LOCK_FILE, damage, folder_hashes, write_lock
from stbench.data.download import Progress, download
from stbench.data.record import Record, RemoteFile, read_record
from stbench.data.sources import dataset_in
from stbench.dataset import Card
from stbench.errors import StbenchError
from stbench.files import cache_folder, read_json, whole_folder, write_json

# the errors of zipfile and tarfile for damaged, encrypted or unknown content
UNPACKING = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError)
Extract = Callable[[str], IO[bytes] | None]


def fetch(
    card: Card,
    others: Sequence[Card],
    server: str,
    *,
    offline: bool = False,
    progress: Progress = lambda name, done, size: None,
) -> tuple[Path, bool]:
    """The folder of a dataset in the cache, and whether it is new.

    ``others`` are the cards of the same record: an archive that is named after one of them is not searched.
    With ``offline``, only files that were downloaded before are used. Raises `StbenchError` where the record
    or an archive cannot be read, has changed, or does not hold the dataset.
    """
    folder = cache_folder("datasets") / card.name
    if (folder / LOCK_FILE).is_file() and not damage(folder, folder_hashes(folder)):
        return folder, False
    downloads = cache_folder("downloads") / card.record
    record = _locked_record(card.record, downloads, server, offline)
    archives = _candidates(record, card, others)
    if offline:
        archives = [archive for archive in archives if (downloads / archive.name).is_file()]
    for archive in archives:
        file = downloads / archive.name if offline else download(archive, downloads, progress)
        if _extract(file, card, folder, archive):
            return folder, True
    searched = ", ".join(archive.name for archive in archives) or "nothing"
    raise StbenchError(
        f"No folder '{card.archive_folder}' with a readable dataset in {'the downloads of ' * offline}"
        f"record {card.record} (searched zip and tar archives: {searched}). "
        f"Unpack it yourself and give the folder with --data."
    )


def verify(folder: Path) -> list[str]:
    """A line for each damaged file of a downloaded dataset; a damaged dataset is removed."""
    wrong = damage(folder, folder_hashes(folder))
    if wrong:
        shutil.rmtree(folder)
    return wrong


def _locked_record(number: str, downloads: Path, server: str, offline: bool) -> Record:
    """The record as it was at the first fetch; `StbenchError` where its files have changed since."""
    lock = downloads / "record.json"
    locked = [RemoteFile(**entry) for entry in read_json(lock)["files"]] if lock.is_file() else []
    if offline:
        if not locked:
            raise StbenchError(f"Nothing of record {number} is downloaded. Fetch it once without --offline.")
        return Record(number, "", tuple(locked))
    record = read_record(number, server)
    expected = {file.name: file.checksum for file in locked}
    for file in record.files:
        if expected.get(file.name, file.checksum) != file.checksum:
            raise StbenchError(
                f"'{file.name}' of record {number} has changed: expected {expected[file.name]}, "
                f"found {file.checksum}. Remove '{lock}' to accept the new one."
            )
    downloads.mkdir(parents=True, exist_ok=True)
    write_json(lock, asdict(record))
    return record


def _candidates(record: Record, card: Card, others: Sequence[Card]) -> list[RemoteFile]:
    """The archives that may hold the dataset: the one named after it, or all those named after no other."""
    own = [file for file in record.files if _names(file.name, card)]
    free = [file for file in record.files if not any(_names(file.name, other) for other in others)]
    return own or sorted(free, key=lambda file: file.size)


def _names(text: str, card: Card) -> bool:
    """Whether the dataset has this file or folder name, for example ``dataset-MG`` or ``dataset_mg.zip``."""
    stem = re.sub(r"(\.zip|\.tgz|\.tar(\.\w+)?)$", "", text.casefold())
    plain = re.sub(r"[-_ ]", "", stem)
    return plain in (re.sub(r"[-_ ]", "", card.archive_folder.casefold()), card.name.casefold())


def _extract(file: Path, card: Card, folder: Path, archive: RemoteFile) -> bool:
    """Extract the dataset's files into ``folder``, with a lock file; False where the archive has none."""
    try:
        with _opened(file) as (names, extract):
            members = _members(names, card, named_after=_names(file.name, card))
            if not members:
                return False
            folder.parent.mkdir(parents=True, exist_ok=True)
            with whole_folder(folder) as part:
                for name, member in members.items():
                    if source := extract(member):
                        with source, (part / name).open("wb") as target:
                            shutil.copyfileobj(source, target, 1 << 20)
                problem = dataset_in(part, card).problem
                if problem is not None:
                    raise StbenchError(f"'{archive.name}', folder '{card.archive_folder}': {problem}")
                write_lock(part, record=card.record, archive=asdict(archive))
    except UNPACKING as error:
        raise StbenchError(f"Archive '{file}' cannot be unpacked ({error}).") from error
    return True


@contextmanager
def _opened(file: Path) -> Iterator[tuple[list[str], Extract]]:
    """The file names in an archive and a function that opens one; no names for another kind of file."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            yield [name for name in packed.namelist() if not name.endswith("/")], packed.open
    elif tarfile.is_tarfile(file):
        with tarfile.open(file) as tar:
            yield [member.name for member in tar if member.isfile()], tar.extractfile
    else:
        yield [], lambda name: None


def _members(names: list[str], card: Card, *, named_after: bool) -> dict[str, str]:
    """The members of the dataset's folder, by their names without folders.

    An archive that is itself named after the dataset may hold the files in any one folder.
    """
    paths = {name: PurePosixPath(name) for name in names}
    visible = {
        name: path
        for name, path in paths.items()
        if not path.name.startswith(".") and "__MACOSX" not in path.parts
    }
    found = {path.name: name for name, path in visible.items() if _names(path.parent.name, card)}
    if not found and named_after and len({path.parent for path in visible.values()}) == 1:
        found = {path.name: name for name, path in visible.items()}
    return found
