"""``stbench choose``: which method to trust on your own pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stbench.cli.run import Engine

if TYPE_CHECKING:
    from stbench.applied.choosing import Choice


def choose(
    pair: Annotated[str, typer.Argument(help="A dataset by name, or the folder of one.")],
    methods: Annotated[
        str | None, typer.Option(help="Names with commas.  [default: all that need no training]")
    ] = None,
    data: Annotated[list[Path] | None, typer.Option(help="Folder of datasets; also $STBENCH_DATA.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs and the tables.")] = Path("choice"),
    splits: Annotated[int, typer.Option(help="Rotations over genes, 2 to 10.")] = 10,
    jobs: Annotated[int | None, typer.Option(help="Runs at once.  [default: half the cores]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")] = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="method.parameter=value; may be repeated.")
    ] = None,
    limit: Annotated[str, typer.Option(help="cells=N,spots=N,genes=N: a seeded subsample.")] = "",
    timeout: Annotated[str | None, typer.Option(help="Kill a run after 90s, 30m or 2h.")] = None,
    executor: Annotated[Engine | None, typer.Option(help="local or dask.  [default: local]")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address or scheduler file of a Dask cluster.")
    ] = None,
    shared: Annotated[Path | None, typer.Option(help="Folder that all Dask workers see.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="File or card with further plugins.")] = None,
) -> None:
    """Cross-validate methods over the measured genes of a pair and say which to trust, for which genes.

    Examples: stbench choose simulated; stbench choose my_tissue --data my_datasets --methods kernel,tangram
    """
    from stbench.api import choose as choose_method
    from stbench.cli.progress import live

    with live() as reporter:
        choice = choose_method(
            pair, methods=methods, data=data, out=out, splits=splits, jobs=jobs, device=device,
            set=set_, limit=limit, timeout=timeout, executor=executor, scheduler=scheduler, shared=shared,
            plugin=plugin, reporter=reporter, say=print,
        )  # fmt: skip
    report(choice)
    choice.methods.to_csv(out / "methods.csv", index_label="method")
    choice.genes.to_csv(out / "genes.csv", index_label="gene")
    print(f"Tables: methods.csv, genes.csv in {out}")


def report(choice: Choice) -> None:
    """Print what a choice says."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    methods = Table("method", "kind", "mean PCC", "90 % interval", "genes", title="All measured genes")
    for name, row in choice.methods.iterrows():
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        methods.add_row(str(name), row["kind"], f"{row['pcc']:.3f}", interval, str(row["n_genes"]))
    console.print(methods)
    groups = Table("genes", "similarity", "number", "best method", "mean PCC", title="By gene")
    for name, row in choice.groups.iterrows():
        span = f"{row['from']:.2f} to {row['to']:.2f}"
        groups.add_row(str(name), span, str(row["n_genes"]), row["best"], f"{row['pcc']:.3f}")
    console.print(groups)
    print("Similarity: correlation in the reference with the most similar measured gene.")
    for name, reason in choice.validation.failures.items():
        print(f"Left out: {name}: {reason}")
    print(choice.verdict)
