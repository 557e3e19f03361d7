"""The Python side of the command line: ``stbench.run``, ``score``, ``leaderboard``, ``choose``, ``predict``.

Names and parameters follow scanpy, squidpy and tangram: ``adata_sp`` and ``adata_sc`` are AnnData with raw
values in ``X`` or in ``layer``, ``spatial_key`` and ``cell_type_key`` say where coordinates and labels are.
Wherever a pair is asked for, a dataset by name or the folder of one is as good.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stbench.config.options import RunConfig, make_config

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from stbench.applied.choosing import Choice
    from stbench.applied.crossval import Reporting
    from stbench.board.board import Board
    from stbench.data.prepare import Pair


def run(methods: str | Iterable[str], datasets: str | Iterable[str] = "all", **options: Any) -> Board:
    """The board of a grid of methods x datasets: ``stbench run``.

    Parameters
    ----------
    methods, datasets
        Names, as a list or with commas, or ``all``.
    **options
        The options of ``stbench run`` by their names with ``_``: ``out="results"``, ``splits=10``,
        ``set=["spage.n_pv=30"]``, ``limit="cells=2000"``. See `stbench.config.options.RunConfig`.

    Examples
    --------
    >>> board = stbench.run(["kernel", "spage"], "simulated", out="results")  # doctest: +SKIP
    >>> board.ranks()  # doctest: +SKIP
    """
    from stbench.board.collect import collect
    from stbench.runs.benchmark import run as run_grid
    from stbench.runs.results import Results

    config = make_config({"methods": _texts(methods), "datasets": _texts(datasets)} | options)
    run_grid(config, command=tuple(sys.argv))
    return collect(Results.open(config.out))


def score(
    truth: str | Path | AnnData, prediction: str | Path | AnnData, metrics: Iterable[str] | None = None
) -> pd.DataFrame:
    """Scores per gene (rows) and metric (columns) of two AnnData or h5ad files: ``stbench score``.

    Both hold values on one scale in ``X``; see `stbench.scoring.scores.score_files`.
    """
    from stbench.scoring.scores import score_files

    with tempfile.TemporaryDirectory(prefix="stbench-score-") as folder:
        files = [_file(table, Path(folder) / f"{i}.h5ad") for i, table in enumerate((truth, prediction))]
        return score_files(files[0], files[1], metrics)


def leaderboard(results: str | Path, out: str | Path | None = None) -> pd.DataFrame:
    """The ranks of all methods in a results folder, best first: ``stbench leaderboard``.

    With ``out``, every renderer also writes its files there.
    """
    from stbench.board.collect import collect
    from stbench.board.render import render
    from stbench.files import writable_folder
    from stbench.runs.results import Results

    board = collect(Results.open(Path(results)))
    if out is not None:
        render(board, writable_folder(Path(out)))
    return board.ranks()


def choose(
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None = None,
    *,
    methods: str | Iterable[str] | None = None,
    layer: str | None = None,
    spatial_key: str = "spatial",
    cell_type_key: str = "cell_type",
    out: str | Path | None = None,
    splits: int = 10,
    reporter: Reporting | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Choice:
    """Which method to trust on a pair, for which genes, and how far: ``stbench choose``.

    Parameters
    ----------
    adata_sp
        Spots x measured genes; or the name or folder of a dataset, without ``adata_sc``.
    adata_sc
        Cells x genes of the reference.
    methods
        The short list. Default: all that need no training, `stbench.applied.choosing.shortlist`.
    layer
        Where the raw values are in both tables; ``X`` by default.
    spatial_key, cell_type_key
        Where coordinates (``adata_sp.obsm``) and labels (``adata_sc.obs``) are, if anywhere.
    out
        Folder that keeps the runs, so that a second call goes on from there. Default: none is kept.
    splits
        Rotations over the measured genes, 2 to 10.
    reporter, say
        Hear of the runs, and lines about the pair; silent by default.
    **options
        Further options of ``stbench run``: ``jobs``, ``device``, ``set``, ``limit``, ``timeout``, ``plugin``,
        ``executor``, ``scheduler``.

    Returns
    -------
    Choice
        Read ``.verdict`` first.
    """
    from stbench.applied.choosing import choose as choose_method
    from stbench.runs.grid import silent

    with _kept(out) as folder:
        config = _config(options, methods, splits, Path(folder))
        pair, _ = _pair(adata_sp, adata_sc, config, layer, spatial_key, cell_type_key, say)
        return choose_method(pair, _methods(config), config, reporter or silent)


def predict(
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None = None,
    *,
    genes: str | Sequence[str] = "all",
    method: str = "best",
    methods: str | Iterable[str] | None = None,
    layer: str | None = None,
    spatial_key: str = "spatial",
    cell_type_key: str = "cell_type",
    out: str | Path | None = None,
    work: str | Path | None = None,
    splits: int = 5,
    reporter: Reporting | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> AnnData:
    """Unmeasured genes, spots x genes, with intervals and expected accuracy: ``stbench predict``.

    Parameters
    ----------
    adata_sp, adata_sc, layer, spatial_key, cell_type_key, reporter, say, **options
        As for `choose`.
    genes
        Names, as a list or with commas, or ``all`` reference genes that are absent in space.
    method
        A name; or ``best``: `choose` first, among ``methods``. The accuracy to expect is then that of a
        method chosen in this way, and not the winner's own.
    out
        The h5ad file to write. With it, the answer is read backed: ``X`` stays on disk.
    work
        Folder that keeps the cross-validation, so that a second call goes on from there.
    splits
        Rotations of the cross-validation that the expected accuracy comes from, 2 to 10.

    Returns
    -------
    AnnData
        See `stbench.applied.imputation.predict` for what is in it.
    """
    import anndata

    from stbench.applied.choosing import choose as choose_method
    from stbench.applied.crossval import cross_validate
    from stbench.applied.imputation import predict as predict_genes
    from stbench.applied.imputation import unmeasured
    from stbench.errors import StbenchError
    from stbench.runs.grid import silent

    with _kept(work) as folder, _kept(None) as scratch:
        config = _config(options, methods if method == "best" else method, splits, Path(folder))
        pair, measured = _pair(adata_sp, adata_sc, config, layer, spatial_key, cell_type_key, say)
        asked = None if genes == "all" else [gene.strip() for gene in _texts(genes)]
        wanted = unmeasured(pair, measured, asked)
        report = reporter or silent
        if method == "best":
            choice = choose_method(pair, _methods(config), config, report)
            say(choice.verdict)
            validation, label, chosen = choice.validation, choice.best, choice.chosen
        else:
            validation = cross_validate(pair, _methods(config), config, report, nested=False)
            label = validation.specs[0].label
            if label in validation.failures:
                raise StbenchError(f"{label} gave no prediction: {validation.failures[label]}")
            chosen = dict.fromkeys(range(splits), label)
        file = Path(scratch) / "imputed.h5ad" if out is None else Path(out)
        provenance = {"command": " ".join(sys.argv)}
        predict_genes(validation, label, wanted, file, config, chosen=chosen, provenance=provenance, say=say)
        return anndata.read_h5ad(file, backed=None if out is None else "r")


def _config(options: dict[str, Any], methods: Any, splits: int, out: Path) -> RunConfig:
    from stbench.data.split import N_FOLDS
    from stbench.errors import StbenchError
    from stbench.plugins import load_plugin

    if not 2 <= splits <= N_FOLDS:
        raise StbenchError(f"--splits takes 2 to {N_FOLDS} here, not {splits}.")
    given = {key: value for key, value in options.items() if value is not None}
    given |= {"splits": splits, "out": out} | ({"methods": _texts(methods)} if methods else {})
    config = make_config(given)
    for plugin in config.plugin:
        load_plugin(plugin)
    return config


def _methods(config: RunConfig) -> list:
    from stbench.applied.choosing import shortlist
    from stbench.config.settings import select_methods

    return select_methods(config.methods) if config.methods else shortlist()


def _pair(
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None,
    config: RunConfig,
    layer: str | None,
    spatial_key: str,
    cell_type_key: str,
    say: Callable[[str], None],
) -> tuple[Pair, list[str]]:
    """The prepared pair, and the names of all genes that are measured in space."""
    import warnings

    from stbench.data.prepare import Limit, prepare
    from stbench.data.sources import catalogue, data_folders, dataset_called
    from stbench.dataset import Card
    from stbench.errors import StbenchError
    from stbench.runs.benchmark import describe

    limit = Limit.parse(config.limit)
    if isinstance(adata_sp, str | Path):
        dataset = dataset_called(str(adata_sp), catalogue(data_folders(config.data)))
        card = dataset.card
        reference, spatial = dataset.load()
    elif adata_sc is None:
        raise StbenchError("adata_sc is missing: give the reference, or the name of a dataset alone.")
    else:
        card = Card("pair")
        reference = _raw(adata_sc, layer, {"cell_type": adata_sc.obs.get(cell_type_key)}, None)
        spatial = _raw(adata_sp, layer, {}, adata_sp.obsm.get(spatial_key))
    measured = list(spatial.var_names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata warns of what the preparation checks and reports
        pair = prepare(reference, spatial, card, limit)
    say(describe(pair))
    return pair, measured


def _raw(table: AnnData, layer: str | None, obs: dict[str, Any], coordinates: Any) -> AnnData:
    """A new table with raw values in ``X``, as a loader gives it; the given one is left alone."""
    import numpy as np
    import pandas as pd
    from anndata import AnnData

    values = table.X if layer is None else table.layers[layer]
    columns = {name: np.asarray(labels) for name, labels in obs.items() if labels is not None}
    raw = AnnData(
        values.copy(),
        obs=pd.DataFrame(columns, index=table.obs_names.copy()),
        var=pd.DataFrame(index=table.var_names.copy()),
    )
    if coordinates is not None:
        raw.obsm["spatial"] = np.asarray(coordinates)
    return raw


def _kept(folder: str | Path | None) -> AbstractContextManager[str | Path]:
    """The folder itself, or one that vanishes."""
    return tempfile.TemporaryDirectory(prefix="stbench-") if folder is None else nullcontext(folder)


def _file(table: str | Path | AnnData, file: Path) -> Path:
    if isinstance(table, str | Path):
        return Path(table)
    table.write_h5ad(file)
    return file


def _texts(names: str | Iterable[str]) -> list[str]:
    return names.split(",") if isinstance(names, str) else list(names)
