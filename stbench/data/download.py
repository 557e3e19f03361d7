"""Downloads that resume: pooch checks the file and renames it, this module transfers the bytes."""

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


def download(file: RemoteFile, folder: Path, progress: Progress = lambda name, done, size: None) -> Path:
    """The path of the file in ``folder``; it is downloaded unless it is there with the right checksum.

    A broken transfer leaves ``<name>.part``, and the next call resumes from it. A file with a wrong checksum
    is removed. ``progress`` gets the name, the bytes so far and the size.

    Raises
    ------
    StbenchError
        Where the server refuses, the connection is lost `ATTEMPTS` times, the checksum is wrong, or the file
        cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file.name}.part"
    bring = Resuming(part, file.size, lambda done: progress(file.name, done, file.size))
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with FileLock(folder / f".{file.name}.lock"):
            found = pooch.retrieve(file.url, file.checksum, fname=file.name, path=folder, downloader=bring)
    except requests.RequestException as error:
        raise StbenchError(
            f"The download of '{file.name}' broke off ({error}). The same command goes on from there."
        ) from error
    except ValueError as error:  # pooch, for a wrong checksum
        raise StbenchError(f"{file.url}: {error}") from error
    except OSError as error:
        raise StbenchError(f"'{file.name}' cannot be written in '{folder}' ({error.strerror}).") from error
    finally:
        logger.setLevel(level)
    return Path(found)


class Resuming:
    """A downloader for pooch: keeps what it has in ``part`` and requests the rest."""

    def __init__(self, part: Path, size: int, progress: Callable[[int], None]):
        self.part = part
        self.size = size
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download ``url`` to ``output_file``; retries a lost connection, but not a refusal such as 404."""
        for attempt in range(ATTEMPTS):
            try:
                self._transfer(url)
                break
            except requests.RequestException as error:
                refused = error.response is not None and error.response.status_code < 500
                if refused or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(PAUSE_S * 2**attempt)
        os.replace(self.part, output_file)

    def _transfer(self, url: str) -> None:
        start = self.part.stat().st_size if self.part.is_file() else 0
        if 0 < self.size <= start:
            if start == self.size:
                return
            start = 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            response.raise_for_status()
            goes_on = response.status_code == requests.codes.partial_content
            with self.part.open("ab" if goes_on else "wb") as out:
                for chunk in response.iter_content(CHUNK_BYTES):
                    out.write(chunk)
                    self.progress(out.tell())
        if self.part.stat().st_size < self.size:
            raise requests.ConnectionError(f"{self.part.stat().st_size} of {self.size} bytes came")
