"""The lock file of a downloaded dataset: the source, sizes and checksums of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stbench.files import read_json, sha256, write_json

LOCK_FILE = "lock.json"


def folder_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 by name of every file directly in ``folder``, without its lock file."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != LOCK_FILE)
    return {file.name: sha256(file) for file in files}


def write_lock(folder: Path, **source: Any) -> None:
    """Write the lock file of ``folder``; ``source`` describes where its files came from."""
    files = {
        name: {"size": (folder / name).stat().st_size, "sha256": digest}
        for name, digest in folder_hashes(folder).items()
    }
    write_json(folder / LOCK_FILE, source | {"files": files})


def source(folder: Path) -> str:
    """Where a fetched dataset came from, in words; empty for a folder without a lock file."""
    if not (folder / LOCK_FILE).is_file():
        return ""
    lock = read_json(folder / LOCK_FILE)
    if "sources" in lock:
        places = {f"{file['repository']} at {file['commit'][:12]}" for file in lock["sources"].values()}
        return f"{len(lock['sources'])} files of {' and '.join(sorted(places))}"
    if "found_by" not in lock:  # of an older version
        return f"record {lock['record']}"
    where = f"folder '{lock['place']}', found by its {lock['found_by']}, "
    return f"{where}in {lock['archive']['name']} of record {lock['record']}"


def damage(folder: Path, hashes: dict[str, str]) -> list[str]:
    """A line for each file of ``folder`` that differs from its lock file; empty without a lock file.

    ``hashes`` are the current `folder_hashes`. Files that are not in the lock file are ignored, such as a
    ``card.toml`` that the user added.
    """
    lock = folder / LOCK_FILE
    if not lock.is_file():
        return []
    return [
        f"{name}: expected sha256 {entry['sha256']}, found {hashes.get(name, 'no such file')}"
        for name, entry in read_json(lock)["files"].items()
        if hashes.get(name) != entry["sha256"]
    ]
