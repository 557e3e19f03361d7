"""Downloads the raw files of a card from public repositories, and makes the pair of them by a recipe."""

from __future__ import annotations

import warnings
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import quote

from stbench.data.checksums import write_lock
from stbench.data.download import Progress, download
from stbench.data.record import RemoteFile, server
from stbench.dataset import REGISTRY, Card, RawFile
from stbench.errors import StbenchError
from stbench.files import cache_folder, sha256, whole_folder

RAW_HOST = "https://raw.githubusercontent.com"


def make_pair(card: Card, folder: Path, mirror: str | None, offline: bool, progress: Progress) -> None:
    """Write ``sc.h5ad``, ``st.h5ad`` and a lock file into ``folder``, from the raw files of the card.

    Raises `StbenchError` where a file cannot be downloaded, has changed, or is missing ``offline``.
    """
    recipe = REGISTRY.get(card.recipe)
    found = {name: _raw_file(name, file, mirror, offline, progress) for name, file in card.files.items()}
    with TemporaryDirectory(prefix="stbench-") as raw, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the preparation checks and reports what anndata warns of
        for name, file in found.items():
            (Path(raw) / name).symlink_to(file.resolve())
        reference, spatial = recipe.load(Path(raw))
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as part:
            reference.write_h5ad(part / "sc.h5ad", compression="gzip")
            spatial.write_h5ad(part / "st.h5ad", compression="gzip")
            write_lock(part, recipe=card.recipe, sources=card.files)


def _raw_file(name: str, file: RawFile, mirror: str | None, offline: bool, progress: Progress) -> Path:
    """The file in the cache, in a folder named by its hash, because base names repeat."""
    home = cache_folder("downloads") / "files" / file["sha256"]
    base = PurePosixPath(file["path"]).name
    address = quote(f"{file['repository']}/{file['commit']}/{file['path']}")
    url = f"{server(RAW_HOST, mirror)}/{address}"
    if offline:
        if not (home / base).is_file() or sha256(home / base) != file["sha256"]:
            raise StbenchError(f"'{url}' is not downloaded. Fetch it once without --offline.")
        return home / base
    remote = RemoteFile(base, file["bytes"], f"sha256:{file['sha256']}", url)
    return download(remote, home, lambda _, done, size: progress(name, done, size))
