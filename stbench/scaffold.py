"""Writes the files of a new plugin: a short, documented example that works, and its test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from stbench.errors import StbenchError
from stbench.plugins import plugin_path

FOLDERS = {"method": "methods", "dataset": "datasets", "metric": "metrics", "renderer": "leaderboard"}
PROGRAMS = {  # by language: the file, the command, and the command that prints versions
    "python": (
        "predict.py",
        '["{env}/bin/python", "{here}/predict.py", "{task}"]',
        """["{env}/bin/python", "-c", "import numpy; print('numpy', numpy.__version__)"]""",
    ),
    "r": (
        "predict.R",
        '["Rscript", "{here}/predict.R", "{task}"]',
        """["Rscript", "-e", "cat('R', format(getRversion()))"]""",
    ),
}
LOAD = {  # parts of a test outside the checkout, which loads its plugin from the file
    "import_path": "from pathlib import Path\n\n",
    "import_load": "from stbench.plugins import load_plugin\n",
    "load": 'load_plugin(Path(__file__).parent / "{file}")\n\n',
}


@dataclass(frozen=True)
class Place:
    """Where a new plugin goes: beside the others in a checkout, otherwise into the user's folder."""

    folder: Path
    tests: Path
    in_checkout: bool

    @classmethod
    def of(cls, kind: str, here: Path) -> Place:
        """The place for a plugin of ``kind`` when the user is in the folder ``here``."""
        content = plugin_path(FOLDERS[kind])  # empty where stbench is installed from a wheel
        if content and here.resolve().is_relative_to(root := Path(content[0]).parent):
            return cls(Path(content[0]), root / "tests" / FOLDERS[kind], in_checkout=True)
        return cls(here, here, in_checkout=False)


def new_plugin(kind: str, name: str, place: Place) -> list[Path]:
    """Write the plugin ``NAME.py`` and its test ``test_NAME.py``; returns their paths."""
    return _write(name, place, {f"{name}.py": f"{kind}.py"}, f"{kind}_test.py")


def new_external(name: str, language: str, place: Place) -> list[Path]:
    """Write a folder ``NAME`` with a card and its program, and ``test_NAME.py``; returns their paths.

    A program in Python has its own environment, made from the ``requirements.txt`` beside it.
    """
    program, command, versions = PROGRAMS[language]
    card = f"{name}/{'method' if place.in_checkout else name}.toml"
    templates = {card: "card.toml", f"{name}/{program}": program}
    if language == "python":
        templates[f"{name}/requirements.txt"] = "requirements.txt"
    return _write(name, place, templates, "external_test.py", command=command, versions=versions)


def _write(
    name: str, place: Place, templates: dict[str, str], test_template: str, **values: str
) -> list[Path]:
    """Fill the templates, given by the file to write; the first file is the plugin."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise StbenchError(f"'{name}' is no plugin name: use small letters, digits and _ (my_method).")
    plugin = next(iter(templates))
    by_path = {place.folder / file: template for file, template in templates.items()}
    by_path[place.tests / f"test_{name}.py"] = test_template
    for path in by_path:
        if path.exists():
            raise StbenchError(f"'{path}' exists already. Choose another name, or remove it.")
    values |= {"name": name, "Class": "".join(map(str.capitalize, name.split("_")))}
    values |= {"target": name if place.in_checkout else plugin}
    values |= {part: "" if place.in_checkout else code.format(file=plugin) for part, code in LOAD.items()}
    for path, template in by_path.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (files("stbench") / "templates" / f"{template}.txt").read_text()
        path.write_text(Template(text).substitute(values))
    return list(by_path)
