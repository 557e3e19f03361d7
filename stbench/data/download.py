"""Downloads that resume: pooch checks and renames the file, and this module transfers the bytes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock

from stbench.data.record import TIMEOUT_S, RemoteFile
from stbench.errors import StbenchError

ATTEMPTS = 5
PAUSE_S = 1.0  # before the second attempt; doubles
CHUNK_BYTES = 1 << 14  # a lost connection loses at most this

Progress = Callable[[str, int, int], None]  # name, bytes so far, size in bytes


def silent(name: str, done: int, size: int) -> None:
    """The `Progress` that shows nothing."""


def download(file: RemoteFile, folder: Path, progress: Progress = silent) -> Path:
    """The path of the file in ``folder``; it is downloaded unless it is there with the right checksum.

    A broken transfer leaves ``<name>.part``, and the next call resumes from it. A file with a wrong checksum
    is removed. ``progress`` gets the name, the bytes so far and the size.

    Raises `StbenchError` where the server refuses, the connection is lost `ATTEMPTS` times, the checksum is
    wrong, or the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def resume(url: str, output_file: str, pooch: Any) -> None:
        part = folder / f"{file.name}.part"
        for attempt in range(ATTEMPTS):
            try:
                _transfer(url, part, file.size, lambda done: progress(file.name, done, file.size))
                break
            except requests.RequestException as error:
                refused = error.response is not None and error.response.status_code < 500  # such as 404
                if refused or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(PAUSE_S * 2**attempt)
        os.replace(part, output_file)

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with FileLock(folder / f".{file.name}.lock"):
            found = pooch.retrieve(file.url, file.checksum, fname=file.name, path=folder, downloader=resume)
    except requests.RequestException as error:
        if error.response is not None and error.response.status_code < 500:
            raise StbenchError(
                f"{file.url} answers {error.response.status_code}: the file is gone, or closed (expected "
                f"{file.checksum}). Try another server with --mirror, or give the pair's folder with --data."
            ) from error
        raise StbenchError(
            f"The download of '{file.name}' broke off ({error}). The same command resumes it."
        ) from error
    except ValueError as error:  # pooch, for a wrong checksum
        raise StbenchError(f"{file.url}: {error}") from error
    except OSError as error:
        raise StbenchError(f"'{file.name}' cannot be written in '{folder}' ({error.strerror}).") from error
    finally:
        logger.setLevel(level)
    return Path(found)


def _transfer(url: str, part: Path, size: int, progress: Callable[[int], None]) -> None:
    """Append to ``part`` the bytes of ``url`` that it does not have yet."""
    start = part.stat().st_size if part.is_file() else 0
    if 0 < size <= start:
        if start == size:
            return
        start = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        response.raise_for_status()
        resumes = response.status_code == requests.codes.partial_content
        with part.open("ab" if resumes else "wb") as out:
            for chunk in response.iter_content(CHUNK_BYTES):
                out.write(chunk)
                progress(out.tell())
    if part.stat().st_size < size:
        raise requests.ConnectionError(f"{part.stat().st_size} of {size} bytes arrived")
