"""The files of figures: drawn in parallel, and again only when what a figure shows has changed."""

from __future__ import annotations

import logging
from pathlib import Path

import joblib
import matplotlib as mpl

from stbench import machine
from stbench import plot as plot_package
from stbench.errors import StbenchError
from stbench.files import read_json, write_json
from stbench.plot import RC
from stbench.plugins import load_plugin, loaded_files

from .drawn import Drawn

SUFFIXES = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}  # with their metadata
KNOWN = "drawn.json"  # the hash of what each figure shows, by its name

log = logging.getLogger(__name__)


def write_figures(figures: list[Drawn], out: Path) -> list[Path]:
    """Write ``figures`` and their captions into the folder ``out``; returns the paths of all its files.

    Files of figures that are no longer among them are removed.
    """
    out.mkdir(parents=True, exist_ok=True)
    code = joblib.hash([_code(), mpl.__version__, dict(RC)])
    hashes = {one.name: joblib.hash([code, one.draw.__name__, one.data]) for one in figures}
    known = _known(out)
    new = [one for one in figures if known.get(one.name) != hashes[one.name] or not _drawn(out, one.name)]
    for suffix in SUFFIXES:
        for file in out.glob(f"*.{suffix}"):
            if file.stem not in hashes:
                file.unlink()
    n_jobs = min(machine.cores(), len(new)) or 1
    plugins = loaded_files()  # the colours of methods depend on them
    # processes that are forked, where they can be, share the imports
    parallel = joblib.Parallel(n_jobs=n_jobs, backend="multiprocessing")
    parallel(joblib.delayed(_save)(one, out, plugins) for one in new)
    write_json(out / KNOWN, hashes)
    captions = [line for one in figures for line in (f"**{one.name}**. {one.caption}", "")]
    (out / "captions.md").write_text("\n".join(["# Figures", "", *captions]), encoding="utf-8")
    log.info("%s: %d figures drawn, %d unchanged", out, len(new), len(figures) - len(new))
    paths = [out / f"{one.name}.{suffix}" for one in figures for suffix in SUFFIXES]
    return [*paths, out / "captions.md"]


def _save(one: Drawn, out: Path, plugins: list[Path]) -> None:
    for plugin in plugins:
        load_plugin(plugin)
    with mpl.rc_context(RC):
        figure = one.figure
        for suffix, metadata in SUFFIXES.items():
            figure.savefig(out / f"{one.name}.{suffix}", metadata=metadata)
            figure.set_layout_engine("none")  # all files have the layout of the first


def _drawn(out: Path, name: str) -> bool:
    return all((out / f"{name}.{suffix}").is_file() for suffix in SUFFIXES)


def _known(out: Path) -> dict[str, str]:
    try:
        return dict(read_json(out / KNOWN))
    except (StbenchError, TypeError, ValueError):  # none yet, or damaged
        return {}


def _code() -> list[str]:
    """The code that draws: a figure is drawn again when it has changed."""
    folders = Path(__file__).parent, Path(str(plot_package.__file__)).parent
    return [file.read_text(encoding="utf-8") for folder in folders for file in sorted(folder.glob("*.py"))]
