"""The commands on finished runs: ``leaderboard``, ``compare``, ``show``, ``status``, ``score`` and others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stbench.errors import StbenchError, unknown_name
from stbench.files import writable_folder
from stbench.renderer import Figures

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from stbench.board.board import Board

TABLES = "truth", "prediction"


def read_board(
    results: str | Path,
    *,
    common: bool = False,
    metrics: Iterable[str] = (),
    include_submitted: bool = False,
) -> Board:
    """The board of a results folder, of a file of `pack`, or of the CSV file of a published benchmark.

    With ``common``, only the rotations and seeds count for which every method has a run. ``metrics`` are
    computed besides the default ones, which needs the predictions of a results folder. With
    ``include_submitted``, rows that were run elsewhere are ranked with the measured ones.

    Examples
    --------
    >>> ranks = stbench.read_board("results").ranks()
    """
    from stbench.board.collect import collect
    from stbench.board.longtable import read_long_table
    from stbench.board.scoretable import SUFFIX, common_cells, read_scores
    from stbench.runs.results import Results

    file, metrics = Path(results), list(metrics)
    if metrics and file.suffix in (".csv", SUFFIX):
        raise StbenchError(f"--metrics needs a results folder: '{file}' has scores and no predictions.")
    if file.suffix == ".csv":
        board = read_long_table(file)
    elif file.suffix == SUFFIX:
        board = read_scores(file, include_submitted=include_submitted)
    else:
        board = collect(Results.open(file), metrics, include_submitted=include_submitted)
    return common_cells(board) if common else board


def make_leaderboard(
    results: str | Path | Board,
    out: str | Path | None = None,
    *,
    figures: Figures = "main",
    include_submitted: bool = False,
) -> pd.DataFrame:
    """The ranks of all methods, best first: ``stbench leaderboard``.

    With ``out``, tables and page are written there too, and ``none``, the ``main`` or ``all`` figures.
    ``include_submitted`` is that of `read_board`.

    Examples
    --------
    >>> ranks = stbench.make_leaderboard("results", out="board", figures="none")
    """
    from stbench.board.render import render

    board = _board(results, include_submitted)
    if out is not None:
        render(board, writable_folder(Path(out)), slow=True, figures=figures)
    return board.ranks()


def compare(
    first: str | Path | Board,
    second: str | Path | Board,
    results: str | Path | Board | None = None,
    *,
    metric: str | None = None,
    include_submitted: bool = False,
) -> pd.DataFrame:
    """Two methods of ``results``, or without it two boards, gene by gene: ``stbench compare``.

    The columns are those of `stbench.board.compare.compare_methods` and ``compare_boards``;
    ``include_submitted`` is that of `read_board`.

    Examples
    --------
    >>> table = stbench.compare("ridge", "knn", "results")
    """
    from stbench.board.compare import compare_boards, compare_methods, row_called

    if results is None:
        return compare_boards(_board(first, include_submitted), _board(second, include_submitted))
    board = _board(results, include_submitted)
    rows = [row_called(board, str(name)) for name in (first, second)]
    if metric is not None and metric not in board.metrics:
        raise unknown_name("metric", metric, board.metrics)
    return compare_methods(board, rows[0], rows[1], metric)


def show(run: str, results: str | Path = "results") -> dict[str, Any]:
    """The manifest of one run, with its mean ``scores`` by metric: ``stbench show``.

    ``run`` is the start of its key, or a part of its name.

    Examples
    --------
    >>> scores = stbench.show("ridge · simulated · split 0")["scores"]
    """
    from stbench.runs.results import Results, run_called
    from stbench.scoring.prediction import stored_scores

    folder = Results.open(Path(results))
    manifest = run_called(folder, run)
    scores = stored_scores(folder.run_folder(manifest["key"]) / "scores.parquet")
    return manifest | {"scores": scores.groupby("metric", sort=False)["value"].mean().to_dict()}


def status(results: str | Path) -> pd.DataFrame:
    """The state of every run, stored or planned, by key: ``stbench status``.

    Examples
    --------
    >>> counts = stbench.status("results")["status"].value_counts()
    """
    import pandas as pd

    from stbench.runs.results import Results
    from stbench.runs.status import RunState, survey

    states = [asdict(state) for state in survey(Results.open(Path(results)))]
    return pd.DataFrame(states, columns=list(RunState.__dataclass_fields__)).set_index("key")


def verify(results: str | Path, *, remove: bool = False) -> dict[str, str]:
    """The damage of every damaged part of a results folder, by its path: ``stbench verify``.

    With ``remove``, these parts are removed; the same grid makes them again.

    Examples
    --------
    >>> stbench.verify("results")
    {}
    """
    from stbench.runs.results import Results

    folder = Results.open(Path(results))
    damaged = folder.damaged(thorough=True)
    if remove:
        for part in damaged:
            folder.remove(part)
    return damaged


def merge(folders: Sequence[str | Path], out: str | Path) -> int:
    """The number of runs in ``out``, a new folder with the runs of all ``folders``: ``stbench merge``.

    Examples
    --------
    >>> n_runs = stbench.merge(["results"], out="merged")
    """
    from stbench.board.merge import merge as merge_folders

    return merge_folders([Path(folder) for folder in folders], Path(out))


def pack(results: Sequence[str | Path], out: str | Path) -> Board:
    """The merged board of results folders and packed files; later ones replace: ``stbench pack``.

    Its scores are written to ``out``, gene by gene.

    Examples
    --------
    >>> board = stbench.pack(["results"], out="scores.parquet")
    """
    from stbench.board.scoretable import SUFFIX, merged, write_scores

    file = Path(out)
    if file.suffix != SUFFIX:
        raise StbenchError(f"The file of --out ends in {SUFFIX}, but '{file}' does not.")
    board = merged([read_board(path, include_submitted=True) for path in results])
    writable_folder(file.parent)
    write_scores(board, file)
    return board


def score(
    truth: str | Path | AnnData, prediction: str | Path | AnnData, metrics: Iterable[str] | None = None
) -> pd.DataFrame:
    """Scores, genes x metrics, of two AnnData or h5ad files: ``stbench score``.

    Both have values on the same scale in ``X``; see `stbench.scoring.scores.score_files`.

    Examples
    --------
    >>> means = stbench.score("truth.h5ad", "mine.h5ad").mean()
    """
    from stbench.scoring.scores import score_files

    with tempfile.TemporaryDirectory(prefix="stbench-score-") as folder:
        given = dict(zip(TABLES, (truth, prediction), strict=True))
        files = [_file(table, Path(folder) / f"{name}.h5ad") for name, table in given.items()]
        try:
            return score_files(files[0], files[1], metrics)
        except StbenchError as error:
            text = str(error)
            for name in TABLES:
                text = text.replace(f"'{Path(folder) / f'{name}.h5ad'}'", name)
            error.args = (text,)
            raise


def _board(results: str | Path | Board, include_submitted: bool) -> Board:
    if isinstance(results, str | Path):
        return read_board(results, include_submitted=include_submitted)
    return results


def _file(table: str | Path | AnnData, file: Path) -> Path:
    if isinstance(table, str | Path):
        return Path(table)
    table.write_h5ad(file)
    return file
