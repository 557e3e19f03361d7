"""A public record at Zenodo, or at a server that answers like it: its files, sizes and checksums.

The licence and the files are read from the record itself, never written down here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pooch
import requests
from pooch.downloaders import ZenodoRepository

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
    """The number, licence and files of a record."""

    number: str
    license: str
    files: tuple[RemoteFile, ...]


def mirror_or_zenodo(mirror: str | None = None) -> str:
    """The server to ask: the one given, ``$STBENCH_MIRROR``, or Zenodo."""
    return (mirror or os.environ.get("STBENCH_MIRROR") or ZENODO).rstrip("/")


def read_record(number: str, server: str) -> Record:
    """The record of that number; proxy settings of the environment are respected.

    pooch's class reads both formats of Zenodo's API. It knows one server: the address of another one is set
    here, before the request and in the addresses of the files.

    Raises
    ------
    StbenchError
        Where the server cannot be reached, refuses, or answers with something else than a record.
    """
    url = f"{server}/api/records/{number}"
    zenodo = ZenodoRepository("", url, timeout=TIMEOUT_S, hooks={"response": _raise_for_status})
    zenodo.base_api_url = f"{server}/api/records"
    checksums = pooch.create(path="", base_url="")
    try:
        zenodo.populate_registry(checksums)
        content = zenodo.api_response
        key, size = ("key", "size") if zenodo.api_version == "legacy" else ("filename", "filesize")
        sizes = {entry[key]: int(entry[size]) for entry in content["files"]}
        urls = {_safe(name): zenodo.download_url(name).replace(ZENODO, server, 1) for name in sizes}
        files = tuple(RemoteFile(name, sizes[name], checksums.registry[name], urls[name]) for name in sizes)
        license_ = (content.get("metadata") or {}).get("license") or {}
    except requests.RequestException as error:
        raise StbenchError(
            f"The record {url} cannot be read ({error}). Check the connection and HTTPS_PROXY, or name "
            "another server with --mirror."
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StbenchError(
            f"The record {url} has no list of files as Zenodo gives it ({error!r})."
        ) from error
    return Record(number, str(license_.get("id", "") if isinstance(license_, dict) else license_), files)


def _raise_for_status(response: requests.Response, **_: Any) -> None:
    """Makes a refusal an error: pooch reads any answer as a record."""
    response.raise_for_status()


def _safe(name: str) -> str:
    """``name``, the name of a file on this machine; `ValueError` for one that would leave its folder."""
    if "/" in name or "\\" in name or name.startswith("."):
        raise ValueError(f"file name {name!r}")
    return name
