"""``stbench data``: list datasets, download them, check them, and make a dataset of your own tables."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TaskID
from rich.table import Table

from stbench.cli.options import DataFolders
from stbench.cli.pair_report import show
from stbench.cli.table import console
from stbench.config.options import Options, named
from stbench.data.limit import Limit
from stbench.data.sources import catalogue, data_folders, dataset_called, dataset_in
from stbench.errors import StbenchError
from stbench.files import cache_folder

app = typer.Typer(
    help="List, fetch, verify and check datasets, and make one of your own tables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

AsJson = Annotated[bool, typer.Option("--json", help="Card and health report as JSON.")]


@app.command("list")
def list_datasets(data: DataFolders = None) -> None:
    """List every dataset, those on this machine first, and where each is or comes from."""
    table = Table("name", "state", "tissue", "where", box=None, pad_edge=False)
    known = catalogue(data_folders(data or []))
    for name, dataset in sorted(known.items(), key=lambda item: item[1].problem is not None):
        if dataset.embedded:
            state, where = "embedded", "stbench itself"
        elif dataset.problem is None:
            state, where = "here", str(dataset.folder)
        elif dataset.fetchable:
            state = "fetchable, unverified" if dataset.card.unverified else "fetchable"
            where = f"stbench data fetch {name}"
        else:
            state, where = "not here", "see stbench data info" if dataset.folder is None else dataset.problem
        table.add_row(name, state, dataset.card.tissue, where)
    console().print(table, markup=False, highlight=False)
    cache = cache_folder("datasets").parent
    print(
        f"Downloads, prepared pairs and runs without a folder are in {cache} ($STBENCH_CACHE). "
        "You may remove them."
    )


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Datasets, or groups: small, paper, collection, all.")],
    mirror: Annotated[
        str | None, typer.Option(help="Server to ask instead of the public ones; also $STBENCH_MIRROR.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use only files that are downloaded already.")
    ] = False,
) -> None:
    """Download, check and prepare public datasets. Example: stbench data fetch small

    The group small is ten real pairs (17 MB), paper the ten of the CausalGeD paper, and collection the 45 of
    SpatialBenchmarking. A broken download resumes where it stopped, and complete files are not downloaded
    again. Proxy settings (HTTPS_PROXY) are respected.
    """
    from stbench.data.cache import load
    from stbench.data.checksums import source
    from stbench.data.fetch import fetch as fetch_dataset
    from stbench.data.fetch import requested

    cards = {name: dataset.card for name, dataset in catalogue([]).items() if dataset.card.fetchable}
    chosen, failed = requested(names, cards), []
    for name in chosen:
        others = [card for card in cards.values() if card.name != name]
        try:
            with _bars() as progress:
                folder, new = fetch_dataset(cards[name], others, mirror, offline=offline, progress=progress)
            state = "fetched" if new else "already here"
            print(f"{name}: {state}: {folder} (from {source(folder)})", flush=True)
            if cards[name].unverified:
                print(f"{name}: not verified when its card was written: see stbench data info {name}")
            print(load(dataset_in(folder, cards[name]), Limit()).describe())
        except StbenchError as error:
            if len(chosen) == 1:
                raise
            failed.append(f"{name}: {error}")
    if failed:
        raise StbenchError(f"{len(failed)} datasets were not fetched: {'; '.join(failed)}")


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Names; all downloaded ones by default.")] = None,
) -> None:
    """Compare downloaded datasets with their lock files, and remove damaged ones."""
    from stbench.data.fetch import verify as verify_folder

    home = cache_folder("datasets")
    folders = {path.name: path for path in sorted(home.glob("[!.]*")) if path.is_dir()}
    damaged = []
    for name in names or folders:
        if name not in folders:
            raise StbenchError(f"Dataset '{name}' is not downloaded. Run: stbench data fetch {name}")
        wrong = verify_folder(folders[name])
        print(f"{name}: {'DAMAGED and removed' if wrong else 'ok'}")
        for line in wrong:
            print(f"  {line}")
        if wrong:
            damaged.append(name)
    if damaged:
        print(f"Fetch again with: stbench data fetch {' '.join(damaged)}")
        raise typer.Exit(1)
    if not folders:
        print(f"Nothing is downloaded in {home}.")


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="Name of a dataset, or the path of its folder.")],
    data: DataFolders = None,
    as_json: AsJson = False,
) -> None:
    """Show the card and the health report of a dataset.

    Example: stbench data info MG
    """
    show(dataset_called(name, catalogue(data_folders(data or []))), as_json=as_json)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Folder of a pair.")],
    as_json: AsJson = False,
) -> None:
    """Check whether a pair is fit for the benchmark, and what to change.

    Example: stbench data check mine
    """
    if not path.is_dir():
        raise StbenchError(f"Folder '{path}' does not exist.")
    dataset = dataset_called(str(path.resolve()), catalogue(data_folders()))
    if dataset.problem is not None:
        raise StbenchError(f"{dataset.problem} Make a pair with: stbench data convert --help")
    if not show(dataset, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def convert(
    reference: Annotated[Path, typer.Option(help="scRNA-seq table.")],
    spatial: Annotated[Path, typer.Option(help="Spatial table.")],
    out: Annotated[Path, typer.Option(help="New folder for the pair; its name is the dataset's.")],
    coordinates: Annotated[Path | None, typer.Option(help="Table with the coordinates of the spots.")] = None,
    spatial_key: Annotated[str | None, typer.Option(help="Key of the spatial obsm with coordinates.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Table with the cell types of the reference.")] = None,
    cell_type: Annotated[
        str | None, typer.Option(help="Column with labels, of --labels or the reference's obs.")
    ] = None,
    reference_layer: Annotated[str | None, typer.Option(help="Layer with the counts, or raw.")] = None,
    spatial_layer: Annotated[str | None, typer.Option(help="Layer with the counts, or raw.")] = None,
    sections: Annotated[str | None, typer.Option(help=named(Options, "sections").metadata["help"])] = None,
    match_genes: Annotated[
        bool, typer.Option("--match-genes", help=named(Options, "match_genes").metadata["help"])
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Make every guess an error.")] = False,
) -> None:
    """Make a pair from two tables, and say what was understood, one line per decision.

    Formats: .h5ad, 10x .h5, matrix.mtx (Cell Ranger, STARsolo, GEO) or its folder, .loom, .zarr (AnnData,
    SpatialData), .parquet, .csv, .tsv and .txt (genes in rows or in columns, perhaps .gz), and output folders
    of Visium, Visium HD, Xenium, MERSCOPE and CosMx. Example: stbench data convert --reference cells.h5ad
    --spatial filtered_feature_bc_matrix.h5 --coordinates spatial/tissue_positions.csv --out my_tissue
    """
    from stbench.data.convert import Sources
    from stbench.data.convert import convert as make_pair

    sources = Sources(
        reference,
        spatial,
        coordinates=coordinates,
        reference_layer=reference_layer,
        spatial_layer=spatial_layer,
        cell_type=cell_type,
        spatial_key=spatial_key,
        labels=labels,
        sections=sections,
        match_genes=match_genes,
        strict=strict,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convert itself reports repeated names
        make_pair(sources, out)
    print(f"Next: stbench data check {shlex.quote(str(out))}")


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """Shows a progress bar per file in a terminal, and nothing in a log."""
    terminal = Console()
    columns = *Progress.get_default_columns(), DownloadColumn()
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal) as view:
        tasks: dict[str, TaskID] = {}

        def update(name: str, done: int, size: int) -> None:
            if name not in tasks:
                tasks[name] = view.add_task(name, total=size)
            view.update(tasks[name], completed=done)

        yield update
