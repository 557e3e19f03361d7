"""The commands as Python functions: ``run``, ``score``, ``make_leaderboard``, ``choose``, ``predict``, ...

Parameters are the options of the commands, see `stbench.config.options`. The other names are those of scanpy,
squidpy and tangram.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stbench.config.options import ChooseOptions, ExportOptions, Options, PredictOptions, RunOptions, takes
from stbench.errors import StbenchError
from stbench.files import writable_folder
from stbench.renderer import Figures
from stbench.runs.events import Reporter

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from stbench.applied.choosing import Choice
    from stbench.blind.manifest import Exported
    from stbench.board.board import Board
    from stbench.data.prepare import Pair


NAMES = "truth", "prediction"


@takes(RunOptions, "methods", "datasets")
def run(options: RunOptions, *, reporter: Reporter | None = None) -> Board:
    """The board of a grid of methods x datasets: ``stbench run``.

    ``reporter`` gets every event of the grid, to show it; by default nothing is shown.

    Examples
    --------
    >>> board = stbench.run(["kernel", "spage"], "simulated", out="results")  # doctest: +SKIP
    >>> board.ranks()  # doctest: +SKIP
    """
    from stbench.board.collect import collect
    from stbench.runs.benchmark import run as run_grid

    return collect(run_grid(options, reporter).results)


def score(
    truth: str | Path | AnnData, prediction: str | Path | AnnData, metrics: Iterable[str] | None = None
) -> pd.DataFrame:
    """Scores, genes x metrics, of two AnnData or h5ad files: ``stbench score``.

    Both have values on the same scale in ``X``; see `stbench.scoring.scores.score_files`.
    """
    from stbench.scoring.scores import score_files

    with tempfile.TemporaryDirectory(prefix="stbench-score-") as folder:
        given = dict(zip(NAMES, (truth, prediction), strict=True))
        files = [_file(table, Path(folder) / f"{name}.h5ad") for name, table in given.items()]
        try:
            return score_files(files[0], files[1], metrics)
        except StbenchError as error:
            text = str(error)
            for name in NAMES:
                text = text.replace(f"'{Path(folder) / f'{name}.h5ad'}'", name)
            error.args = (text,)
            raise


def make_leaderboard(
    results: str | Path,
    out: str | Path | None = None,
    *,
    figures: Figures = "main",
    include_submitted: bool = False,
) -> pd.DataFrame:
    """The ranks of all methods in a results folder, best first: ``stbench leaderboard``.

    With ``out``, tables and page are written there too, and ``none``, the ``main`` or ``all`` figures. With
    ``include_submitted``, rows that were run elsewhere are ranked with the measured ones.
    """
    from stbench.board.collect import collect
    from stbench.board.render import render
    from stbench.runs.results import Results

    board = collect(Results.open(Path(results)), include_submitted=include_submitted)
    if out is not None:
        render(board, writable_folder(Path(out)), slow=True, figures=figures)
    return board.ranks()


@takes(ExportOptions, "datasets")
def export(options: ExportOptions) -> Exported:
    """The manifest of the tasks that were written for methods that run elsewhere: ``stbench export``."""
    from stbench.blind.export import export as export_tasks

    return export_tasks(options)


def submit(
    predictions: str | Path,
    *,
    name: str,
    card: str | Path,
    tasks: str | Path = "tasks",
    out: str | Path = "results",
    data: Iterable[str | Path] = (),
) -> pd.DataFrame:
    """Mean scores, tasks x metrics, of predictions that were made elsewhere: ``stbench submit``.

    They are stored in the results folder ``out`` as a row that is marked, see `stbench.blind.submit.submit`.
    """
    from stbench.blind.submit import submit as submit_predictions

    return submit_predictions(
        Path(predictions),
        name=name,
        card=Path(card),
        tasks=Path(tasks),
        out=Path(out),
        data=map(Path, data),
    )


@takes(ChooseOptions)
def choose(
    options: ChooseOptions,
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None = None,
    *,
    layer: str | None = None,
    spatial_key: str | None = None,
    cell_type_key: str | None = None,
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
    reporter
        Gets every event of the runs, to show it; by default nothing is shown.

    Returns
    -------
    Choice
        Read ``.verdict`` first.
    """
    from stbench.applied.choosing import choose as choose_method

    keys = {"layer": layer, "spatial_key": spatial_key, "cell_type_key": cell_type_key}
    return choose_method(options, _pair(options, adata_sp, adata_sc, keys), reporter or Reporter())


@takes(PredictOptions)
def predict(
    options: PredictOptions,
    adata_sp: str | Path | AnnData,
    adata_sc: AnnData | None = None,
    *,
    layer: str | None = None,
    spatial_key: str | None = None,
    cell_type_key: str | None = None,
    reporter: Reporter | None = None,
) -> AnnData:
    """Unmeasured genes, spots x genes, with intervals and expected accuracy: ``stbench predict``.

    The pair and ``reporter`` are given as for `choose`. With ``method="best"``, `choose` first finds the best
    of ``methods``; the expected accuracy is then that of this choice, and not that of the method alone. The
    result is backed by the file ``out``; with ``out=None`` it is in memory and no file is kept. Its content
    is described at `stbench.applied.imputation.write_imputation`.
    """
    from stbench.applied.imputation import predict as predict_genes

    keys = {"layer": layer, "spatial_key": spatial_key, "cell_type_key": cell_type_key}
    return predict_genes(options, _pair(options, adata_sp, adata_sc, keys), reporter or Reporter())


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


def _file(table: str | Path | AnnData, file: Path) -> Path:
    if isinstance(table, str | Path):
        return Path(table)
    table.write_h5ad(file)
    return file
