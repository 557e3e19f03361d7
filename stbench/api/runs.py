"""The commands that make runs: ``run``, ``choose``, ``predict`` and ``audit``.

They show their progress in a terminal, in a notebook and in a log; ``quiet=True`` shows none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from stbench.config.options import AuditOptions, ChooseOptions, Options, PredictOptions, RunOptions, takes
from stbench.errors import StbenchError
from stbench.files import cache_folder, writable_folder
from stbench.runs.events import Reporter
from stbench.runs.progress import shown

if TYPE_CHECKING:
    from anndata import AnnData

    from stbench.applied.choosing import Choice
    from stbench.board.board import Board
    from stbench.data.prepare import Pair

# the options that change how runs are made, and not what they give
HOW = {"jobs", "threads", "timeout", "memory_limit", "memory_budget", "disk_limit", "isolation", "overwrite"}
HOW |= {"quiet", "verbose", "executor", "scheduler", "cluster", "shared", "out", "emit", "dry_run"}


@takes(RunOptions, "methods", "datasets")
def run(options: RunOptions, *, out: str | Path | None = None, reporter: Reporter | None = None) -> Board:
    """The board of a grid of methods x datasets: ``stbench run``.

    ``out`` is the results folder; without one it is a folder in the cache, which the board names: the same
    call continues there, and runs that failed are done again. ``reporter`` gets every event of the grid.

    Examples
    --------
    >>> board = stbench.run(["knn", "ridge"], "simulated", limit="cells=120,spots=80,genes=40")
    >>> ranks = board.ranks()
    """
    from stbench.board.collect import collect
    from stbench.runs.benchmark import run as run_grid

    if out is None:
        again = "failed" if options.overwrite == "missing" else options.overwrite
        options = replace(options, out=_folder_in_cache(options), overwrite=again)
    else:
        options = replace(options, out=Path(out))
    with _progress(options, reporter) as used:
        summary = run_grid(options, used)
    return collect(summary.results)


@takes(AuditOptions)
def run_audit(options: AuditOptions, *, reporter: Reporter | None = None) -> list[Path]:
    """Scores with and without the hidden truth copied into predictions: ``stbench audit``.

    Writes a page and a table into ``out``, and returns their paths.

    Examples
    --------
    >>> stbench.run_audit(methods=["kernel"], datasets="simulated", out="audit")  # doctest: +SKIP
    """
    from stbench.audit.audit import audit
    from stbench.audit.page import write_audit

    runs = replace(options, out=writable_folder(options.out) / "results")
    with _progress(options, reporter) as used:
        return write_audit(audit(runs, used), options.out)


@takes(ChooseOptions)
def choose(
    options: ChooseOptions,
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None = None,
    *,
    layer: str | None = None,
    spatial_key: str | None = None,
    cell_type_key: str | None = None,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Choice:
    """The best method for a pair, for which genes, and its expected accuracy: ``stbench choose``.

    Parameters
    ----------
    adata_sp
        Spots x measured genes; or the name or the folder of a dataset, without ``adata_sc``.
    adata_sc
        Cells x genes of the reference.
    layer
        The layer with the raw values in both tables; by default they are in ``X``.
    spatial_key, cell_type_key
        Keys of the coordinates (``adata_sp.obsm``) and of the labels (``adata_sc.obs``). By default
        ``spatial`` and ``cell_type``, if they exist.
    out
        Folder for the runs. Without one it is a folder in the cache, which the choice names: `predict` on the
        same pair takes up the runs there.
    reporter
        Gets every event of the runs; by default they are shown.

    Returns
    -------
    Choice
        Read ``.verdict`` first.

    Examples
    --------
    >>> choice = stbench.choose(adata_sp, adata_sc, methods=["ridge_genes", "mean"], splits=2)
    >>> choice.best
    'ridge_genes'
    """
    from stbench.applied.choosing import choose as choose_method

    options = replace(options, out=None if out is None else Path(out))
    keys = {"layer": layer, "spatial_key": spatial_key, "cell_type_key": cell_type_key}
    pair = _pair(options, adata_sp, adata_sc, keys)
    with _progress(options, reporter) as used:
        return choose_method(options, pair, used)


@takes(PredictOptions)
def predict(
    options: PredictOptions,
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None = None,
    *,
    layer: str | None = None,
    spatial_key: str | None = None,
    cell_type_key: str | None = None,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
) -> AnnData:
    """Unmeasured genes, spots x genes, with intervals and expected accuracy: ``stbench predict``.

    The pair and ``reporter`` are given as for `choose`. With ``method="best"``, `choose` first finds the best
    of ``methods``; the expected accuracy is then that of this choice, and not that of the method alone. The
    result is backed by the file ``out``; without one it is in memory. Its content is described at
    `stbench.applied.imputation.write_imputation`; `stbench.join` puts it beside the measured genes.

    Examples
    --------
    >>> imputed = stbench.predict(adata_sp, adata_sc, method="ridge_genes", splits=2)
    >>> expected = imputed.var["expected_pcc"]
    """
    from stbench.applied.imputation import predict as predict_genes

    options = replace(options, out=None if out is None else Path(out))
    keys = {"layer": layer, "spatial_key": spatial_key, "cell_type_key": cell_type_key}
    pair = _pair(options, adata_sp, adata_sc, keys)
    with _progress(options, reporter) as used:
        return predict_genes(options, pair, used)


@contextmanager
def _progress(options: Options, reporter: Reporter | None) -> Iterator[Reporter]:
    """The caller's reporter, or else one that writes to standard error."""
    if reporter is not None:
        yield reporter
        return
    with shown(options, Console(stderr=True)) as chosen:
        yield chosen


def _folder_in_cache(options: Options) -> Path:
    """The folder of a grid without one: the same for the same runs, whatever they may use."""
    what = {one.name: getattr(options, one.name) for one in fields(options) if one.name not in HOW}
    plugins = [file.read_text() for file in options.plugin]
    text = json.dumps([what, plugins], sort_keys=True, default=str)
    return cache_folder("runs") / f"grid-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _pair(
    options: Options,
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None,
    keys: dict[str, str | None],
) -> Pair:
    """The prepared pair of two tables, or of a dataset by name."""
    from stbench.applied.pairs import pair_called, pair_of
    from stbench.data.tables import raw_tables

    if isinstance(adata_sp, str | Path):
        return pair_called(options, str(adata_sp))
    if adata_sc is None:
        raise StbenchError("adata_sc is missing: give the reference, or the name of a dataset alone.")
    return pair_of(options, *raw_tables(adata_sp, adata_sc, **keys))
