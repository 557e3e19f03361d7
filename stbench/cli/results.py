"""Commands on finished results: ``stbench leaderboard``, ``score``, ``verify`` and ``merge``."""

from __future__ import annotations

import webbrowser
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from stbench.api.results import compare as compare_results
from stbench.api.results import pack as write_pack
from stbench.api.results import read_board
from stbench.api.results import verify as verify_results
from stbench.cli.options import IncludeSubmitted, Plugins, ResultsFolder
from stbench.cli.serve import serve_folder
from stbench.cli.table import console, show_comparison
from stbench.config.values import names
from stbench.errors import StbenchError
from stbench.files import whole_file, writable_folder
from stbench.renderer import Figures

Metrics = Annotated[str, typer.Option(help="Metrics to compute besides the default ones, with commas.")]


def leaderboard(
    results: Annotated[
        Path,
        typer.Argument(
            help="The --out of stbench run or pack, or a CSV file dataset,method,gene,metric,value."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the leaderboard.")] = Path("board"),
    only: Annotated[str, typer.Option(help="Renderers with commas, for example site,figures.")] = "",
    figures: Annotated[Figures, typer.Option(help="Files of figures: none, main ones, or all.")] = "main",
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page to this machine until Ctrl-C.")
    ] = False,
    common: Annotated[
        bool, typer.Option("--common", help="Only rotations and seeds for which every method has a run.")
    ] = False,
    include_submitted: IncludeSubmitted = False,
    metrics: Metrics = "",
    plugin: Plugins = None,
) -> None:
    """Write tables, figures and the page of a results folder, or of the scores of a published benchmark.

    A figure is drawn again only when what it shows has changed.
    Example: stbench leaderboard results --out board
    """
    from stbench.board.render import render
    from stbench.board.words import in_words

    board = read_board(results, common=common, metrics=names(metrics), include_submitted=include_submitted)
    paths = render(board, writable_folder(out), names(only), slow=True, figures=figures)
    kinds = Counter(path.suffix.removeprefix(".") for path in paths)
    print(f"{out}: {', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}")
    for sentence in in_words(board):
        print(sentence)
    pages = [path for path in paths if path.suffix == ".html"]
    for page in pages:
        print(f"Open {page}")
    if (open_ or serve) and not pages:
        raise StbenchError("--open and --serve need the page: leave --only out, or name site in it.")
    if serve:
        serve_folder(pages[0], open_page=open_)
    elif open_:
        webbrowser.open(pages[0].resolve().as_uri())


def pack(
    results: Annotated[
        list[Path], typer.Argument(help="Results folders and files of stbench pack; later ones replace.")
    ],
    out: Annotated[Path, typer.Option(help="File to write, with the end .parquet.")],
    plugin: Plugins = None,
) -> None:
    """Write all scores, gene by gene, into one small file: to publish, to merge, to render again.

    Example: stbench pack published.parquet results --out published.parquet
    """
    board = write_pack(results, out)
    print(
        f"Wrote {out}: {len(board.runs)} runs, {len(board.scores)} scores, {out.stat().st_size / 1e6:.2f} MB"
    )


def compare(
    first: Annotated[str, typer.Argument(help="A method of --results, or a results folder or file.")],
    second: Annotated[str, typer.Argument(help="Another one of the same kind.")],
    results: Annotated[Path, typer.Option(help="Results folder or packed file with both methods.")] = Path(
        "results"
    ),
    metric: Annotated[str | None, typer.Option(help="A metric; by default the headline metric.")] = None,
    include_submitted: IncludeSubmitted = False,
) -> None:
    """Compare two methods, or two boards, gene by gene: differences with 95 % intervals.

    Examples: stbench compare kernel spage --results results; stbench compare results_old results_new
    """
    from stbench.board.compare import row_called

    titles = first, second
    if all(Path(name).exists() for name in titles):
        table = compare_results(Path(first), Path(second), include_submitted=include_submitted)
    else:
        board = read_board(results, include_submitted=include_submitted)
        table = compare_results(first, second, board, metric=metric)
        titles = board.names[row_called(board, first)], board.names[row_called(board, second)]
    print(f"{titles[0]} minus {titles[1]}: mean {metric or 'of the headline metric'}, 95 % intervals")
    show_comparison(table, titles, console())


def score(
    truth: Annotated[Path, typer.Argument(help="h5ad with the measured values in X (spots x genes).")],
    prediction: Annotated[Path, typer.Argument(help="h5ad with the predicted values in X.")],
    out: Annotated[Path, typer.Option(help="CSV file to write, one row per gene.")] = Path("scores.csv"),
    metrics: Metrics = "",
    plugin: Plugins = None,
) -> None:
    """Score a prediction against the truth, gene by gene.

    Example: stbench score truth.h5ad mine.h5ad
    """
    from stbench.metric import ALL_GENES
    from stbench.scoring.scores import default_metrics, score_files

    scores = score_files(truth, prediction, [*default_metrics(), *names(metrics)])
    writable_folder(out.parent)
    with whole_file(out) as part:
        scores.to_csv(part, index_label="gene")
    means = "  ".join(f"{name} {value:.4f}" for name, value in scores.mean().items())
    scores = scores.drop(index=ALL_GENES, errors="ignore")
    print(
        f"{len(scores)} genes ({int(scores.isna().all(axis=1).sum())} constant in the truth). Means: {means}"
    )
    print(f"Wrote {out}")


def show(
    run: Annotated[str, typer.Argument(help="The key of a run or its start, or a part of its name.")],
    results: Annotated[Path, typer.Option(help="Results folder: the --out of stbench run.")] = Path(
        "results"
    ),
) -> None:
    """Show one run: what was asked, what was chosen, what it cost, its scores and the end of its log.

    Examples: stbench show 0415d652; stbench show "kernel · simulated · split 0"
    """
    from stbench.cli.show import show_run
    from stbench.runs.results import Results

    show_run(Results.open(results), run)


def verify(
    results: ResultsFolder,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove damaged parts; the same stbench run replaces them.")
    ] = False,
) -> None:
    """Check every stored byte against its hash.

    Example: stbench verify results
    """
    damaged = verify_results(results, remove=remove)
    for part, reason in damaged.items():
        print(f"{part}: {reason}")
    n_runs = sum(1 for _ in (results / "runs").glob("[!.]*"))
    print(f"{n_runs} runs in {results}, {len(damaged)} damaged parts{' removed' * remove}.")
    if damaged and not remove:
        raise typer.Exit(1)


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Results folders: the --out of stbench run.")],
    out: Annotated[Path, typer.Option(help="New folder for all runs.")],
) -> None:
    """Merge results folders of several machines.

    Example: stbench merge results_a results_b --out results
    """
    from stbench.board.merge import merge as merge_folders

    n_runs = merge_folders(folders, out)
    print(f"Wrote {out}: {n_runs} runs of {len(folders)} folders.")
