"""``stbench new``: the files of a new plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stbench.errors import StbenchError
from stbench.scaffold import Place, new_external, new_plugin

NEXT = {
    "method": ("check method {target}", "run --methods {name} --datasets simulated{plugin}"),
    "dataset": ("run --methods ridge --datasets FOLDER{plugin}",),
    "metric": ("list metrics{plugin}",),
    "renderer": ("leaderboard results{plugin}",),
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
    if external and kind != "method":
        raise StbenchError("--external is for methods only.")
    here = Path.cwd()
    place = Place.of(kind, here)
    written = new_external(name, language, place) if external else new_plugin(kind, name, place)
    shown = [path.relative_to(here) if path.is_relative_to(here) else path for path in written]
    for path in shown:
        print(f"Wrote {path}")
    target, plugin = (name, "") if place.in_checkout else (shown[0], f" --plugin {shown[0]}")
    print("Next:")
    for step in NEXT[kind]:
        print("  stbench " + step.format(name=name, target=target, plugin=plugin))
