"""``stbench new``: the files of a new plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stbench.api.plugins import new as new_plugin
from stbench.scaffold import Place

RUN = "run --methods {methods} --datasets simulated{plugin}"
NEXT = {  # three commands for each kind
    "method": ("check method {target} --fast", "check method {target}", RUN),
    "dataset": ("data check FOLDER", "run --methods ridge --datasets FOLDER{plugin}", "leaderboard results"),
    "metric": ("list metrics{plugin}", RUN, "leaderboard results{plugin}"),
    "renderer": (RUN, "leaderboard results --only {name}{plugin}", "leaderboard results --open{plugin}"),
}


def new(
    kind: Annotated[Literal["method", "dataset", "metric", "renderer"], typer.Argument(help="What to add.")],
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and _.")],
    external: Annotated[
        bool, typer.Option("--external", help="A method in another language or environment.")
    ] = False,
    language: Annotated[
        Literal["python", "r"], typer.Option(help="Language of the external example.")
    ] = "python",
) -> None:
    """Write a small plugin that works, and its test: into this checkout, or else into this folder.

    Examples: stbench new method my_method; stbench new method my_method --external --language r
    """
    written = new_plugin(kind, name, external=external, language=language)
    here, in_checkout = Path.cwd(), Place.of(kind, Path.cwd()).in_checkout
    shown = [path.relative_to(here) if path.is_relative_to(here) else path for path in written]
    for path in shown:
        print(f"Wrote {path}")
    target, plugin = (name, "") if in_checkout else (shown[0], f" --plugin {shown[0]}")
    methods = f"{name},knn" if kind == "method" else "ridge,knn"
    print("Next:")
    for step in NEXT[kind]:
        print("  stbench " + step.format(name=name, target=target, plugin=plugin, methods=methods))
