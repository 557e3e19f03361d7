"""Reads and writes files: a damaged file is one clear error, and a partly written file never appears."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stbench.errors import StbenchError, first_line

if TYPE_CHECKING:
    from anndata import AnnData


def cache_folder(part: str) -> Path:
    """The folder of one part of the cache, in ``$STBENCH_CACHE`` or the user's cache; it may not exist yet.

    ``downloads`` has a folder per public record, ``datasets`` one per downloaded dataset, ``prepared`` one
    per prepared pair, ``runs`` one per pair or grid whose runs got no folder of their own, ``environments``
    one per external method.
    """
    import platformdirs

    chosen = os.environ.get("STBENCH_CACHE")
    return (Path(chosen) if chosen else platformdirs.user_cache_path("stbench", appauthor=False)) / part


def sha256(file: Path) -> str:
    """SHA-256 of the content of ``file``, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def read_h5ad(file: Path) -> AnnData:
    """The AnnData in ``file``; `StbenchError` where it is missing or damaged."""
    from stbench.machine import memory_bytes

    if not file.is_file():
        raise StbenchError(f"File '{file}' does not exist.")
    try:
        return open_h5ad(file, memory_bytes("cpu"))
    except Exception as error:  # h5py and anndata raise many kinds for a damaged file
        message = f"File '{file}' cannot be read as h5ad ({first_line(error)}). Fetch or write it again."
        raise StbenchError(message) from error


def open_h5ad(file: Path, most_bytes: int) -> AnnData:
    """The AnnData in a ``file`` that is not trusted; a damaged file raises any kind of exception.

    Raises `StbenchError` for a file that unpacks to more than ``most_bytes`` or refers to other files.
    """
    import anndata
    import h5py

    with h5py.File(file) as content:
        links: list[str] = []
        tables: list[tuple[str, h5py.Dataset]] = []
        content.visititems_links(
            lambda name, link: links.append(name) if isinstance(link, h5py.ExternalLink) else None
        )
        content.visititems(
            lambda name, item: tables.append((name, item)) if isinstance(item, h5py.Dataset) else None
        )
        links += [name for name, item in tables if item.is_virtual or item.external]
        total = sum((item.size or 0) * item.dtype.itemsize for _, item in tables)  # no size: an empty entry
    if links:
        raise StbenchError(f"takes '{links[0]}' from another file")
    if total > most_bytes:
        raise StbenchError(f"unpacks to {total / 1e9:.1f} GB, more than {most_bytes / 1e9:.1f} GB")
    table = anndata.read_h5ad(file)
    for values in (table.X, *table.layers.values(), *table.obsm.values()):
        if hasattr(values, "check_format"):
            values.check_format(full_check=True)  # indices out of range would crash the process
    return table


def read_json(file: Path) -> Any:
    """The content of a JSON file; `StbenchError` where it is missing or damaged."""
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        raise StbenchError(f"File '{file}' does not exist.") from None
    except (ValueError, OSError, RecursionError) as error:
        raise StbenchError(f"File '{file}' is not readable JSON ({error}).") from error


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """A new name ``target`` for the file ``source``, or a copy on a disk without such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def refuse_links(folder: Path, what: str) -> None:
    """Raise `StbenchError` for anything below ``folder``, a ``what``, that is neither a file nor a folder."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise StbenchError(f"'{path}' is a link or a device. A {what} holds plain files only.")


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A new file to write; it replaces ``file`` when it is complete."""
    part = _beside(file)
    try:
        yield part
        _to_disk(part)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def write_json(file: Path, content: Any) -> None:
    """Write ``content`` completely or not at all."""
    with whole_file(file) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill; it replaces ``folder`` when it is complete."""
    part = _beside(folder)
    part.mkdir(parents=True)
    try:
        yield part
        for file in part.rglob("*"):
            if file.is_file():
                _to_disk(file)
        if folder.exists():
            old = _beside(folder)
            os.rename(folder, old)
            os.rename(part, folder)
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        else:
            os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns an error of the disk into a `StbenchError`; ``folder`` is where files are written."""
    try:
        yield
    except OSError as error:
        raise StbenchError(
            f"Stopped: {error.strerror or error} ('{error.filename or folder}'). Finished runs are kept; "
            "the same command continues from here."
        ) from error


def writable_folder(folder: Path) -> Path:
    """``folder``, created where it does not exist; `StbenchError` where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _beside(folder / "probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        message = f"Folder '{folder}' cannot be written ({error.strerror}). Choose another with --out."
        raise StbenchError(message) from error
    return folder


def _beside(path: Path) -> Path:
    """A new hidden name in the same folder."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def _to_disk(file: Path) -> None:
    """Write the content of ``file`` to the disk, so that it survives a crash once its name appears."""
    with file.open("rb") as content:
        os.fsync(content.fileno())
