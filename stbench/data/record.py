"""Reads a public record at Zenodo, or at a server with the same API: licence, files, sizes and checksums."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pooch
import requests
from pooch.downloaders import ZenodoRepository

from stbench.errors import StbenchError

ZENODO = "https://zenodo.org"
TIMEOUT_S = (10, 60)  # to connect, and between two packets
ABSENT = (403, 404, 410)  # closed, unknown, removed


@dataclass(frozen=True)
class RemoteFile:
    """A file of a record; ``checksum`` is ``algorithm:hexadecimal``, the format of pooch."""

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


class NoRecordError(StbenchError):
    """The server answers, and has no public record of this number."""


def server(host: str, mirror: str | None = None) -> str:
    """The server to ask: ``mirror``, else ``$STBENCH_MIRROR``, else the public ``host``."""
    return (mirror or os.environ.get("STBENCH_MIRROR") or host).rstrip("/")


def read_record(number: str, server: str) -> Record:
    """The record with this number; the request uses the proxy settings of the environment.

    Raises `NoRecordError` where there is none, and `StbenchError` where the server cannot be reached,
    refuses, or returns something else.
    """
    url = f"{server}/api/records/{number}"
    # pooch reads both formats of Zenodo's API, but not errors, and it knows no other server
    hooks = {"response": lambda response, **_: response.raise_for_status()}
    zenodo = ZenodoRepository("", url, timeout=TIMEOUT_S, hooks=hooks)
    zenodo.base_api_url = f"{server}/api/records"
    checksums = pooch.create(path="", base_url="")
    try:
        zenodo.populate_registry(checksums)
        content = zenodo.api_response
        key, size = ("key", "size") if zenodo.api_version == "legacy" else ("filename", "filesize")
        files = []
        for entry in content["files"]:
            name = entry[key]
            if "/" in name or "\\" in name or name.startswith("."):  # it would lead out of its folder
                raise ValueError(f"file name {name!r}")
            address = zenodo.download_url(name).replace(ZENODO, server, 1)
            files.append(RemoteFile(name, int(entry[size]), checksums.registry[name], address))
        license_ = (content.get("metadata") or {}).get("license") or ""
        license_ = license_.get("id", "") if isinstance(license_, dict) else license_
    except requests.RequestException as error:
        absent = error.response is not None and error.response.status_code in ABSENT
        kind = NoRecordError if absent else StbenchError
        raise kind(
            f"The record {url} cannot be read ({error}). Check the connection and HTTPS_PROXY, or give "
            "another server with --mirror."
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StbenchError(f"Record {url} has no list of files in Zenodo's format ({error!r}).") from error
    return Record(number, str(license_), tuple(files))
