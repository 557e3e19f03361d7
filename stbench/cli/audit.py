"""``stbench audit``: the published protocol on any dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def audit(
    datasets: Annotated[str, typer.Option(help="Names with commas, or all.")],
    methods: Annotated[str, typer.Option(help="Methods to run and audit, with commas.")] = "",
    data: Annotated[list[Path] | None, typer.Option(help="Folder of datasets; also $STBENCH_DATA.")] = None,
    limit: Annotated[str, typer.Option(help="cells=N,spots=N,genes=N: a seeded subsample.")] = "",
    split_seed: Annotated[int, typer.Option(help="Seed of the folds of genes and of the mask.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the page, the table and the runs.")] = Path("audit"),
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with further plugins.")] = None,
) -> None:
    """Score answers with and without the hidden truth pasted in, as the published code does.

    Example: stbench audit --datasets pdac_a_st --methods kernel,spage
    """
    from stbench.audit.audit import audit as run_audit
    from stbench.audit.page import write_audit
    from stbench.cli.progress import live
    from stbench.config.options import make_config
    from stbench.errors import require_package
    from stbench.files import writable_folder

    require_package("untrained decoder", "torch", "PyTorch", "torch")
    settings: dict[str, Any] = {
        "datasets": datasets, "data": data, "limit": limit, "split_seed": split_seed, "plugin": plugin,
        "methods": methods or None, "out": writable_folder(out) / "results",
    }  # fmt: skip
    config = make_config({}, {key: value for key, value in settings.items() if value is not None})
    with live() as reporter:
        found = run_audit(config, reporter, say=print, command=("stbench", *sys.argv[1:]))
    for path in write_audit(found, out):
        print(f"Wrote {path}")
