"""``stbench export``: the task folders of datasets, for methods that run elsewhere."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from stbench import __version__
from stbench.blind.manifest import Exported, ExportedTask, Rules, file_hashes
from stbench.config.options import ExportOptions
from stbench.data.cache import load
from stbench.data.prepare import Pair
from stbench.data.sources import catalogue, data_folders, select
from stbench.data.split import Split, make_splits
from stbench.data.visible import visible_spatial
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import TaskFile, write_tables
from stbench.exchange.textfolder import write_settings, write_table
from stbench.files import link_or_copy, whole_folder, writable_folder
from stbench.plugins import load_plugin

README = "README.txt"
log = logging.getLogger(__name__)


def export(options: ExportOptions) -> Exported:
    """Write the task folders into the new folder ``options.out`` and return their manifest.

    A task folder is that of an external method (``docs/external-methods.md``): no file of it depends on a
    value that the task hides. A gene that one split hides is visible in others.

    Raises `StbenchError` where ``out`` is not empty, and for a dataset that cannot be prepared. Nothing is
    written then.
    """
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise StbenchError(f"'{options.out}' exists and is not empty. Give a new folder with --out.")
    for plugin in options.plugin:
        load_plugin(plugin)
    datasets, notices = select(options.datasets, catalogue(data_folders(options.data)))
    for notice in notices:
        log.info(notice)
    writable_folder(options.out.parent)
    tasks: dict[str, ExportedTask] = {}
    with whole_folder(options.out) as part:
        for dataset in datasets:
            pair = load(dataset.with_rules(**options.rules), options.limit)
            log.info(pair.describe())
            tasks.update(_tasks(pair, options, part))
        exported = Exported(
            stbench=__version__,
            tables=options.tables,
            limit=str(options.limit),
            split_seed=options.split_seed,
            rules=Rules(**options.rules),
            tasks=tasks,
        )
        exported.write(part)
        text = (files("stbench") / "templates" / "tasks_readme.txt").read_text("utf-8")
        (part / README).write_text(text, encoding="utf-8")
    return exported


def _tasks(pair: Pair, options: ExportOptions, out: Path) -> Iterator[tuple[str, ExportedTask]]:
    """Write the tasks of a pair below ``out``; their names and their entries in the manifest."""
    data_hash = pair.hash
    with tempfile.TemporaryDirectory(dir=out) as temporary:
        reference = Path(temporary) / ("reference" if options.tables == "text" else "reference.h5ad")
        if options.tables == "text":
            write_table(reference, pair.reference)
        else:
            pair.reference.write_h5ad(reference)
        for split in make_splits(pair.genes, options.splits, options.split_seed):
            name = f"{pair.name}/split{split.rotation}"
            _write(out / name, reference, pair, split)
            yield (
                name,
                ExportedTask(
                    dataset=pair.name,
                    data_hash=data_hash,
                    units=pair.card.units or "counts",
                    rotation=split.rotation,
                    split=split.hash,
                    spots=pair.spatial.n_obs,
                    targets=list(split.test),
                    files=file_hashes(out / name),
                ),
            )


def _write(folder: Path, reference: Path, pair: Pair, split: Split) -> None:
    """Write one task folder; ``reference`` is the file or the folder that all tasks of the pair share."""
    units = pair.card.units or "counts"
    spatial = visible_spatial(pair.spatial, split, units)
    task = TaskFile(
        method="", parameters={}, targets=list(split.test), units=units, seed=0, threads=1, device="cpu"
    )
    if reference.is_dir():
        shutil.copytree(reference, folder / "reference", copy_function=link_or_copy)
        write_table(folder / "spatial", spatial)
        write_settings(folder, task)
    else:
        write_tables(folder, reference, spatial)
    task.write(folder)
