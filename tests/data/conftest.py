"""A server that imitates the public hosts, with generated data in the published layouts."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from anndata import AnnData

NUMBER = "12792074"
API = "/api/records/"
PAIRS = ("MH", "MHPR", "ML", "MG", "MVC", "MHM", "HBC", "ME", "MPMC", "MC")


@dataclass
class FakeRecord:
    """The files of the host, what the server should do wrong, and what it was asked.

    A file is served under its whole path, or as a file of the record by its name.
    """

    files: dict[str, bytes]
    url: str = ""
    break_after: list[int] = field(default_factory=list)  # bytes that an answer sends before it is cut
    status: dict[str, int] = field(default_factory=dict)  # an error code per file name
    redirect: bool = False
    api: str = "legacy"  # or "new": the two formats that Zenodo's API has had
    chunk_seconds: float = 0.0
    checksums: dict[str, str] = field(default_factory=dict)  # stated instead of the true ones
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range of every request

    @property
    def downloads(self) -> list[tuple[str, str | None]]:
        return [(path, part) for path, part in self.asked if not path.startswith(API) or "/files/" in path]

    def description(self) -> dict:
        if self.api == "new":
            files = [
                {"filename": name, "filesize": len(content), "checksum": hashlib.md5(content).hexdigest()}
                for name, content in self.files.items()
            ]
            return {"id": int(NUMBER), "metadata": {"license": "cc-by-4.0"}, "files": files}
        return {
            "id": int(NUMBER),
            "metadata": {"license": {"id": "cc-by-4.0"}},
            "files": [
                {
                    "key": name,
                    "size": len(content),
                    "checksum": self.checksums.get(name, f"md5:{hashlib.md5(content).hexdigest()}"),
                    "links": {"self": f"https://zenodo.org/api/records/{NUMBER}/files/{name}/content"},
                }
                for name, content in self.files.items()
            ],
        }


class Handler(BaseHTTPRequestHandler):
    record: FakeRecord

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        record = self.record
        record.asked.append((self.path, self.headers.get("Range")))
        if self.path == f"{API}{NUMBER}":
            return self._send(200, json.dumps(record.description()).encode())
        if record.redirect and not self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", f"/moved{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        name = unquote(self.path.removeprefix("/moved")).lstrip("/")
        if name.startswith(("api/records/", "records/")):
            name = name.removesuffix("/content").removesuffix("?download=1").split("/")[-1]
        if name not in record.files or name in record.status:
            return self._send(record.status.get(name, 404), b"no")
        content, start = record.files[name], 0
        if self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        return self._send(206 if start else 200, content, start)

    def _send(self, code: int, content: bytes, start: int = 0) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if code in (200, 206) and self.path != f"{API}{NUMBER}":
            if self.record.break_after:
                self.wfile.write(rest[: self.record.break_after.pop(0)])
                self.close_connection = True
                return
            if self.record.chunk_seconds:
                for place in range(0, len(rest), 1 << 14):
                    self.wfile.write(rest[place : place + (1 << 14)])
                    time.sleep(self.record.chunk_seconds)
                return
        self.wfile.write(rest)


def as_text(reference: AnnData, spatial: AnnData, locations: bool) -> dict[str, str]:
    """The pair in the published layout: genes in rows, spots in rows, tab separated."""
    files = {
        "scRNA_count.txt": reference.to_df().astype(int).T.to_csv(sep="\t"),
        "Spatial_count.txt": spatial.to_df().astype(int).to_csv(sep="\t", index=False),
    }
    if locations:
        x, y = spatial.obsm["spatial"].T
        files["Locations.txt"] = "X\tY\n" + "".join(f"{a}\t{b}\n" for a, b in zip(x, y, strict=True))
    return files


@pytest.fixture(scope="session")
def archives(make_pair: Callable[..., tuple[AnnData, AnnData]]) -> dict[str, bytes]:
    """All ten pairs: MG in a zip of its own name, the others in one tar; MG has no coordinates."""
    packed = {}
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w:gz") as tar:
        for seed, name in enumerate(PAIRS):
            extra = 2500 if name == "MH" else 760  # cells must have 500 genes after downsampling too
            pair = make_pair(n_cells=40, n_spots=60, n_genes=40, extra=extra, seed=seed)
            texts = as_text(*pair, locations=name != "MG")
            if name == "MG":
                zip_bytes = io.BytesIO()
                with zipfile.ZipFile(zip_bytes, "w", zipfile.ZIP_DEFLATED) as file:
                    for key, text in texts.items():
                        file.writestr(f"dataset-MG/{key}", text)
                        file.writestr(f"__MACOSX/dataset-MG/._{key}", "junk")
                packed["dataset-MG.zip"] = zip_bytes.getvalue()
                continue
            for key, text in texts.items():
                info = tarfile.TarInfo(f"SpaDiT/datasets/dataset-{name}/{key}")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
    return packed | {"all-others.tar.gz": tar_bytes.getvalue()}


@pytest.fixture
def record(archives: dict[str, bytes]) -> Iterator[FakeRecord]:
    """A running server; its ``url`` stands in for https://zenodo.org."""
    fake = FakeRecord(dict(archives))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"record": fake}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("STBENCH_CACHE", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"
