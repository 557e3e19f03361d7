"""``stbench new``: the files of a new plugin."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Kind(StrEnum):
    """What can be added."""

    method = "method"
    dataset = "dataset"
    metric = "metric"
    renderer = "renderer"


class Language(StrEnum):
    """Languages with an example of an external method."""

    python = "python"
    r = "r"


NEXT = {
    Kind.method: ("check method {target}", "run --methods {name} --datasets simulated{plugin}"),
    Kind.dataset: ("run --methods ridge --datasets FOLDER{plugin}",),
    Kind.metric: ("list metrics{plugin}",),
    Kind.renderer: ("leaderboard results{plugin}",),
}


def new(
    kind: Annotated[Kind, typer.Argument(help="What to add.")],
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and _.")],
    external: Annotated[
        bool, typer.Option("--external", help="A method in another language or environment.")
    ] = False,
    language: Annotated[Language, typer.Option(help="Of the external example.")] = Language.python,
) -> None:
    """Write a small working plugin and its test: into the checkout you are in, else into this folder.

    Examples: stbench new method my_method; stbench new method my_method --external --language r
    """
    from stbench.errors import StbenchError
    from stbench.scaffold import Place, new_external, new_plugin

    if external and kind != Kind.method:
        raise StbenchError("--external is for methods only.")
    here = Path.cwd()
    place = Place.of(kind.value, here)
    written = new_external(name, language.value, place) if external else new_plugin(kind.value, name, place)
    shown = [path.relative_to(here) if path.is_relative_to(here) else path for path in written]
    for path in shown:
        print(f"Wrote {path}")
    target, plugin = (name, "") if place.in_checkout else (shown[0], f" --plugin {shown[0]}")
    print("Next:")
    for step in NEXT[kind]:
        print("  stbench " + step.format(name=name, target=target, plugin=plugin))
