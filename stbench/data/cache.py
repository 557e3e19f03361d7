"""The cache of prepared pairs: a folder for each combination of raw files, card and limit."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path

from stbench.data.checksums import damage, folder_hashes
from stbench.data.limit import Limit
from stbench.data.prepare import PREPARATION, Pair, prepare
from stbench.data.sources import Dataset
from stbench.dataset import Card
from stbench.errors import StbenchError
from stbench.files import cache_folder, read_h5ad, read_json, sha256, whole_folder, write_json

TABLES = ("reference", "spatial")
log = logging.getLogger(__name__)


def load(dataset: Dataset, limit: Limit) -> Pair:
    """The prepared pair of a dataset; from the cache where its files, card and limit are still the same.

    A copy that is damaged or cannot be written is logged as a warning. Raises `StbenchError` where the
    dataset is not here, differs from its lock file, or cannot be prepared.
    """
    if dataset.folder is None or dataset.problem is not None:
        return _prepare(dataset, limit)
    folder = cache_folder("prepared") / _key(dataset, dataset.folder, limit)
    if folder.is_dir():
        try:
            return _read(folder)
        except StbenchError as error:
            log.warning("%s: the prepared copy is damaged and is made again (%s)", dataset.name, error)
    pair = _prepare(dataset, limit)
    try:
        _write(folder, pair)
    except OSError as error:
        message = "%s: the prepared copy cannot be kept in '%s' (%s)"
        log.warning(message, dataset.name, folder.parent, error.strerror)
    return pair


def _prepare(dataset: Dataset, limit: Limit) -> Pair:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the preparation checks and reports what anndata warns of
        reference, spatial = dataset.load()
        return prepare(reference, spatial, dataset.card, limit)


def _key(dataset: Dataset, folder: Path, limit: Limit) -> str:
    """The name of a prepared pair: a hash of all that determines its content."""
    files = folder_hashes(folder)
    wrong = damage(folder, files)
    if wrong:
        raise StbenchError(f"Dataset '{dataset.name}' is damaged: {wrong[0]}. Run: stbench data verify")
    content = [PREPARATION, dataset.loader, asdict(dataset.card), str(limit), files]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _write(folder: Path, pair: Pair) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as part:
        pair.reference.write_h5ad(part / "reference.h5ad")
        pair.spatial.write_h5ad(part / "spatial.h5ad")
        content = {
            "name": pair.name,
            "card": asdict(pair.card),
            "limit": asdict(pair.limit),
            "report": pair.report,
            "measured": pair.measured,
            "files": {name: sha256(part / f"{name}.h5ad") for name in TABLES},
        }
        write_json(part / "pair.json", content)


def _read(folder: Path) -> Pair:
    """The pair in ``folder``; `StbenchError` where a file has changed since it was written."""
    content = read_json(folder / "pair.json")
    for name in TABLES:
        file = folder / f"{name}.h5ad"
        if not file.is_file() or sha256(file) != content["files"][name]:
            raise StbenchError(f"'{file}' has changed since it was written")
    card, limit = Card(**content["card"]), Limit(**content["limit"])
    reference, spatial = (read_h5ad(folder / f"{name}.h5ad") for name in TABLES)
    measured = tuple(content["measured"])
    return Pair(content["name"], card, limit, reference, spatial, content["report"], measured)
