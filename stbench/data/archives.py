"""Finds a dataset in the archives of public records: its folder by name, or by the sizes of the tables."""

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
from tempfile import TemporaryDirectory
from typing import IO

from stbench.data.checksums import write_lock
from stbench.data.download import Progress, download
from stbench.data.record import ZENODO, NoRecordError, Record, RemoteFile, read_record, server
from stbench.data.sources import dataset_in
from stbench.dataset import REGISTRY, Card, Sizes
from stbench.errors import StbenchError
from stbench.files import cache_folder, read_json, whole_folder, write_json

PACKED = re.compile(r"(\.zip|\.tgz|\.tar(\.\w+)?)$", re.IGNORECASE)
# the errors of zipfile and tarfile for damaged, encrypted or unknown content
UNPACKING = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError)
Extract = Callable[[str], IO[bytes] | None]
Members = dict[str, str]  # of one folder of an archive: names in the archive by names without folders


def extract_dataset(
    card: Card, others: Sequence[Card], folder: Path, mirror: str | None, offline: bool, progress: Progress
) -> None:
    """Write the files of the dataset and a lock file into ``folder``, from the first record that has it.

    ``others`` are the other cards: an archive that is named after one of them is not searched. A record that
    does not exist, or does not hold the dataset, is passed over. Raises `StbenchError` where no record holds
    it, and where a record or an archive cannot be read or has changed.
    """
    passed_over = []
    for number, name in card.records.items():
        downloads = cache_folder("downloads") / number
        try:
            record = _locked_record(number, downloads, server(ZENODO, mirror), offline)
        except NoRecordError as error:
            passed_over.append(f"record {number}: {error}")
            continue
        archives = _candidates(record, name, card, others)
        if offline:
            archives = [archive for archive in archives if (downloads / archive.name).is_file()]
        searched = []
        for archive in archives:
            file = downloads / archive.name if offline else download(archive, downloads, progress)
            problem = _extract(file, name, card, folder, {"record": number, "archive": asdict(archive)})
            if problem is None:
                return
            searched.append(f"{archive.name} ({problem})")
        where = "downloads of record" if offline else "record"
        looked = ", ".join(searched) or "there is no zip or tar archive that may hold it"
        passed_over.append(f"no folder '{name}' in the {where} {number}: {looked}")
    raise StbenchError(f"{'; '.join(passed_over)}. Unpack it yourself and give the folder with --data.")


def _locked_record(number: str, downloads: Path, address: str, offline: bool) -> Record:
    """The record as it was at the first fetch; `StbenchError` where its files have changed since."""
    lock = downloads / "record.json"
    locked = [RemoteFile(**entry) for entry in read_json(lock)["files"]] if lock.is_file() else []
    if offline:
        if not locked:
            raise NoRecordError(f"Nothing of record {number} is downloaded. Fetch it once without --offline")
        return Record(number, "", tuple(locked))
    record = read_record(number, address)
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


def _candidates(record: Record, name: str, card: Card, others: Sequence[Card]) -> list[RemoteFile]:
    """The archives that may hold the dataset: the one named after it, or all those named after no other."""
    archives = [file for file in record.files if PACKED.search(file.name)]
    taken = [(other.records[record.number], other.name) for other in others if record.number in other.records]
    own = [file for file in archives if _same(file.name, name, card.name)]
    free = [file for file in archives if not any(_same(file.name, *names) for names in taken)]
    return own or sorted(free, key=lambda file: file.size)


def _same(text: str, *names: str) -> bool:
    """Whether a file or folder has one of the names; ``dataset-MG`` and ``Dataset_mg.zip`` are the same."""
    plain = [re.sub(r"[-_ ]", "", word.casefold()) for word in (PACKED.sub("", text), *names)]
    return plain[0] in plain[1:]


def _extract(file: Path, name: str, card: Card, folder: Path, source: dict[str, object]) -> str | None:
    """Write the dataset's files into ``folder``, with a lock file; or the reason why it is not there."""
    problem = "no such folder"
    try:
        with _opened(file) as (members, extract):
            folders = _folders(members)
            for place, by_name in _places(folders, file, name, card):
                with TemporaryDirectory(prefix="stbench-", dir=file.parent) as trial:
                    reason = _unpack(folders[place], extract, Path(trial), card, by_name)
                    if reason is None:
                        folder.parent.mkdir(parents=True, exist_ok=True)
                        with whole_folder(folder) as part:
                            for unpacked in Path(trial).iterdir():
                                unpacked.rename(part / unpacked.name)
                            found_by = "name" if by_name else "sizes"
                            write_lock(part, **source, place=str(place), found_by=found_by)
                        return None
                if by_name:
                    problem = f"'{place}' {reason}"
    except UNPACKING as error:
        raise StbenchError(f"Archive '{file}' cannot be unpacked ({error}).") from error
    return problem


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


def _folders(names: list[str]) -> dict[PurePosixPath, Members]:
    """The folders of an archive with their files, without those that a file system hides."""
    folders: dict[PurePosixPath, Members] = {}
    for name in names:
        path = PurePosixPath(name)
        if not path.name.startswith(".") and "__MACOSX" not in path.parts:
            folders.setdefault(path.parent, {})[path.name] = name
    return folders


def _places(
    folders: dict[PurePosixPath, Members], file: Path, name: str, card: Card
) -> Iterator[tuple[PurePosixPath, bool]]:
    """The folders that may hold the dataset, and whether by name; the others follow, to compare the sizes.

    An archive that is itself named after the dataset may hold the files in any one folder.
    """
    only = len(folders) == 1 and _same(file.name, name, card.name)
    named = [place for place in folders if only or _same(place.name, name, card.name)]
    yield from ((place, True) for place in named)
    if all(key in card.expected for key in Sizes.__annotations__):
        yield from ((place, False) for place in folders if place not in named)


def _unpack(members: Members, extract: Extract, trial: Path, card: Card, by_name: bool) -> str | None:
    """Unpack a folder into ``trial``, or the reason why not: no dataset, or of other sizes and name."""
    for name in members:
        (trial / name).touch()
    loader = dataset_in(trial, card).loader  # loaders know a format by the names of its files
    if loader is None:
        return "holds no dataset in a format that stbench reads"
    sizes = REGISTRY.get(loader).sizes
    if not by_name and sizes is None:
        return "states no sizes"
    for name, member in members.items():
        if source := extract(member):
            with source, (trial / name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    if not by_name and sizes is not None:
        found = sizes(trial)
        if any(found[key] != card.expected[key] for key in Sizes.__annotations__):  # type: ignore[literal-required]
            return "has other sizes"
    return None
