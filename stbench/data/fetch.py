"""Fetch the datasets of a public record: find the archive, extract the folder, write a lock file."""

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

# what zipfile and tarfile raise for damaged, encrypted or unknown content
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
    """The folder of a dataset in the cache, and whether it was made now.

    ``others`` are the cards of the same record: an archive that is named after one of them is not searched.
    With ``offline``, only files that were downloaded before are used.

    Raises
    ------
    StbenchError
        Where the record or an archive cannot be read, has changed, or does not hold the dataset.
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
    looked = ", ".join(archive.name for archive in archives) or "nothing"
    raise StbenchError(
        f"No folder '{card.archive_folder}' with a readable dataset in record {card.record}"
        f"{' as downloaded so far' if offline else ''} (looked in: {looked}; zip and tar are read). "
        f"Unpack it yourself and give the folder with --data."
    )


def verify(folder: Path) -> list[str]:
    """What is wrong with a downloaded dataset, a line per file; a damaged dataset is removed."""
    wrong = damage(folder, folder_hashes(folder))
    if wrong:
        shutil.rmtree(folder)
    return wrong


def _locked_record(number: str, downloads: Path, server: str, offline: bool) -> Record:
    """The record, as it was when its first file was fetched; an error where its files have changed since."""
    lock = downloads / "record.json"
    before = {}
    if lock.is_file():
        before = {entry["name"]: entry for entry in read_json(lock)["files"]}
    if offline:
        if not before:
            raise StbenchError(f"Nothing of record {number} is downloaded. Fetch it once without --offline.")
        return Record(number, "", tuple(RemoteFile(**entry) for entry in before.values()))
    record = read_record(number, server)
    for file in record.files:
        if file.name in before and file.checksum != before[file.name]["checksum"]:
            raise StbenchError(
                f"'{file.name}' of record {number} has changed: expected {before[file.name]['checksum']}, "
                f"found {file.checksum}. Remove '{lock}' to accept the new one."
            )
    downloads.mkdir(parents=True, exist_ok=True)
    write_json(lock, asdict(record))
    return record


def _candidates(record: Record, card: Card, others: Sequence[Card]) -> list[RemoteFile]:
    """The archives that may hold the dataset: the one named after it, or those named after no other."""
    own = [file for file in record.files if _names(file.name, card)]
    if own:
        return own
    free = [file for file in record.files if not any(_names(file.name, other) for other in others)]
    return sorted(free, key=lambda file: file.size)


def _names(text: str, card: Card) -> bool:
    """Whether a file or folder name is that of the dataset, ``dataset-MG`` as well as ``dataset_mg.zip``."""
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
                    source = extract(member)
                    if source is not None:
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
    """The names in an archive and a function that opens one of them; no names for another kind of file."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            yield [name for name in packed.namelist() if not name.endswith("/")], packed.open
    elif tarfile.is_tarfile(file):
        with tarfile.open(file) as tar:
            yield [member.name for member in tar if member.isfile()], tar.extractfile
    else:
        yield [], lambda name: None


def _members(names: list[str], card: Card, *, named_after: bool) -> dict[str, str]:
    """The files of the dataset's folder, by their names without folders.

    An archive that is itself named after the dataset may hold the files in any one folder.
    """
    found: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        if path.name.startswith(".") or "__MACOSX" in path.parts:
            continue
        if _names(path.parent.name, card):
            found[path.name] = name
    if not found and named_after:
        visible = [PurePosixPath(name) for name in names if "__MACOSX" not in name]
        if len({path.parent for path in visible}) == 1:
            found = {path.name: str(path) for path in visible if not path.name.startswith(".")}
    return found
