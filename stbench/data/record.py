"""A public record at Zenodo, or at a server that answers like it: its files, sizes and checksums.

The licence and the files are read from the record itself, never written down here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import requests

from stbench.errors import StbenchError

ZENODO = "https://zenodo.org"
TIMEOUT_S = (10, 60)  # to connect, and between two packets


@dataclass(frozen=True)
class RemoteFile:
    """A file of a record; ``checksum`` is ``algorithm:hexadecimal``, as pooch takes it."""

    name: str
    size: int
    checksum: str
    url: str


@dataclass(frozen=True)
class Record:
    """What a record says of itself."""

    number: str
    license: str
    files: tuple[RemoteFile, ...]


def mirror_or_zenodo(mirror: str | None = None) -> str:
    """The server to ask: the one given, ``$STBENCH_MIRROR``, or Zenodo."""
    return (mirror or os.environ.get("STBENCH_MIRROR") or ZENODO).rstrip("/")


def read_record(number: str, server: str) -> Record:
    """The record of that number; proxy settings of the environment are respected."""
    url = f"{server}/api/records/{number}"
    try:
        response = requests.get(url, timeout=TIMEOUT_S)
        response.raise_for_status()
        content = response.json()
        files = tuple(_remote_file(entry, server) for entry in content["files"])
        license_ = (content.get("metadata") or {}).get("license") or {}
    except requests.RequestException as error:
        raise StbenchError(
            f"The record {url} cannot be read ({error}). Check the connection and HTTPS_PROXY, or name "
            "another server with --mirror."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise StbenchError(
            f"The record {url} has no list of files as Zenodo gives it ({error!r})."
        ) from error
    return Record(number, str(license_.get("id", "")), files)


def _remote_file(entry: dict[str, Any], server: str) -> RemoteFile:
    name = entry["key"]
    if "/" in name or "\\" in name or name.startswith("."):
        raise ValueError(f"file name {name!r}")
    url = entry["links"]["self"].replace(ZENODO, server, 1)  # a mirror may hand on the record as it is
    return RemoteFile(name, int(entry["size"]), entry["checksum"], url)
