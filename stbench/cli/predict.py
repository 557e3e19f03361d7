"""``stbench predict``: the unmeasured genes of your own pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stbench.cli.run import Engine


def predict(
    pair: Annotated[str, typer.Argument(help="A dataset by name, or the folder of one.")],
    method: Annotated[str, typer.Option(help="A method, or best: what stbench choose would say.")] = "best",
    genes: Annotated[str, typer.Option(help="Names with commas, or all that are absent in space.")] = "all",
    out: Annotated[Path, typer.Option(help="The h5ad file to write.")] = Path("imputed.h5ad"),
    methods: Annotated[
        str | None, typer.Option(help="To choose the best from.  [default: all that need no training]")
    ] = None,
    data: Annotated[list[Path] | None, typer.Option(help="Folder of datasets; also $STBENCH_DATA.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder to keep the cross-validation in.")] = None,
    splits: Annotated[int, typer.Option(help="Rotations for the expected accuracy, 2 to 10.")] = 5,
    jobs: Annotated[int | None, typer.Option(help="Runs at once.  [default: half the cores]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")] = "auto",
    preset: Annotated[str | None, typer.Option(help="Size of the method.  [default: by device]")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="method.parameter=value; may be repeated.")
    ] = None,
    limit: Annotated[str, typer.Option(help="cells=N,spots=N: a seeded subsample.")] = "",
    timeout: Annotated[str | None, typer.Option(help="Kill a run after 90s, 30m or 2h.")] = None,
    executor: Annotated[Engine | None, typer.Option(help="local or dask.  [default: local]")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address or scheduler file of a Dask cluster.")
    ] = None,
    shared: Annotated[Path | None, typer.Option(help="Folder that all Dask workers see.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="File or card with further plugins.")] = None,
) -> None:
    """Fit a method on all measured genes and write the unmeasured ones, with their expected accuracy.

    Examples: stbench predict simulated --method kernel --out imputed.h5ad;
    stbench predict my_tissue --data my_datasets --method best --genes Sox2,Pax6 --work choice
    """
    from stbench.api import predict as predict_genes
    from stbench.cli.progress import live
    from stbench.files import writable_folder

    writable_folder(out.parent)
    with live() as reporter:
        answer = predict_genes(
            pair, method=method, genes=genes, out=out, methods=methods, data=data, work=work, splits=splits,
            jobs=jobs, device=device, preset=preset, set=set_, limit=limit, timeout=timeout,
            executor=executor, scheduler=scheduler, shared=shared, plugin=plugin,
            reporter=reporter, say=print,
        )  # fmt: skip
    about = answer.uns["stbench"]
    expected = f"{about['mean_pcc']:.3f} ({about['mean_pcc_low']:.3f} to {about['mean_pcc_high']:.3f})"
    print(f"{about['method']}: expected mean PCC {expected} over genes like the measured ones")
    print(f"Wrote {out}: {answer.n_obs} spots x {answer.n_vars} genes")
