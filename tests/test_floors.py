"""The floors of the house: a module imports only what lies below it, and the core knows no plugin.

Every import counts, those inside functions too; only imports for type checkers do not.
"""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stbench.datasets import REGISTRY as DATASETS
from stbench.leaderboard import REGISTRY as RENDERERS
from stbench.methods import REGISTRY as METHODS
from stbench.metrics import REGISTRY as METRICS

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("methods", "metrics", "datasets", "leaderboard")

# From the ground up. A name stands for a module, or for a package with all that is in it.
FLOORS = [
    ["errors", "machine", "cache", "files", "notebooks", "cards", "tables", "plugins", "registry"],
    ["toolbox.scale"],  # below the task, which normalises anew what it hides
    ["task", "method", "metric", "dataset", "renderer"],
    ["toolbox"],
    ["exchange", "wrapper"],
    ["methods", "metrics", "datasets", "leaderboard"],  # the doors of the content
    ["data"],
    ["config"],
    ["scoring"],
    ["runs"],
    ["board", "audit", "blind"],
    ["plot"],
    ["applied"],
    ["testing", "scaffold"],
    ["api"],
    ["cli"],
    ["__main__"],
]
# What a plugin of each kind may import of the core, beside the first floor.
MAY_IMPORT = {
    "methods": ["methods", "method", "task", "toolbox"],
    "metrics": ["metrics", "toolbox"],
    "datasets": ["datasets", "data"],
    "leaderboard": ["leaderboard", "methods", "data", "scoring", "runs.manifest", "board", "plot", "toolbox"],
}
BUILD_ON_THEIR_KIND = {"metrics", "leaderboard"}  # a formula, and a table, are written once
# Words that are also names of plugins.
WORDS = {
    "mean",
    "random",
    "depth",
    "pair",
    "text",
    "markdown",
    "latex",
    "figures",
    "harmony",
    "site",
    "kernel",
}


def modules(root: Path) -> dict[str, Path]:
    """Every module of the core and of the content by its name behind ``stbench.``, packages included."""
    found = {}
    for folder in ("stbench", *KINDS):
        for file in sorted((root / folder).rglob("*.py")):
            parts = list(file.relative_to(root).with_suffix("").parts)
            parts = parts[parts[0] == "stbench" :]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if name:
                found[name] = file
    return found


def imports(name: str, file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of this project that a module imports."""

    def walk(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    own = name if file.name == "__init__.py" else name.rpartition(".")[0]
                    parts = ["stbench", *own.split(".")]
                    above = parts[: len(parts) - child.level + 1]
                    base = ".".join([*above, base] if base else above)
                yield from (f"{base}.{alias.name}" for alias in child.names)
            elif isinstance(child, ast.Constant) and isinstance(child.value, str):
                yield child.value  # import_module("stbench.methods.one"), and the like
            yield from walk(child)

    for dotted in walk(ast.parse(file.read_text())):
        parts = dotted.split(".")
        if parts[0] == "stbench" and all(part.isidentifier() for part in parts):
            target = next(
                (".".join(parts[1:n]) for n in range(len(parts), 1, -1) if ".".join(parts[1:n]) in known), ""
            )
            if target not in ("", name):
                yield target


def is_content(name: str, file: Path) -> bool:
    """Whether a module is a plugin, or part of one."""
    return name.split(".")[0] in KINDS and "stbench" not in file.parts[-3:-1]


def floor(name: str) -> int:
    """The number of the floor that a module of the core lies on."""
    places = {one: number for number, floor in enumerate(FLOORS) for one in floor}
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in places:
            return places[".".join(parts[:n])]
    raise AssertionError(f"stbench.{name} is on no floor: add it to FLOORS")


def within(name: str, allowed: list[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def breaches(root: Path) -> list[str]:
    """What breaks the order of the floors, a line each."""
    known, found = modules(root), []
    content = {name for name, file in known.items() if is_content(name, file)}
    for name, file in known.items():
        for target in sorted(set(imports(name, file, known))):
            line = f"stbench.{name} imports stbench.{target}"
            if name in content:
                own = ".".join(name.split(".")[:2])
                kind = name.split(".")[0]
                near = [kind] if kind in BUILD_ON_THEIR_KIND else [own]
                if target in content and not within(target, near):
                    found.append(f"{line}: another plugin")
                elif target not in content and not within(target, [*FLOORS[0], *MAY_IMPORT[kind]]):
                    found.append(f"{line}: not for plugins of this kind")
            elif target in content:
                found.append(f"{line}: the core names a plugin")
            elif floor(target) > floor(name):
                found.append(f"{line}: a floor above")
    return found


def circles(root: Path) -> list[set[str]]:
    """Groups of modules that import each other."""
    known = modules(root)
    below = {name: set(imports(name, file, known)) for name, file in known.items()}

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            new = below[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    everything = {name: reached(name) for name in known}
    groups = {frozenset({name} | {n for n in everything[name] if name in everything[n]}) for name in known}
    return [set(group) for group in groups if len(group) > 1]


def test_nothing_breaks_the_floors():
    assert breaches(ROOT) == []


def test_no_modules_import_each_other():
    assert circles(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line", "breach"),
    [
        ("stbench/runs/grid.py", "import stbench.methods.knn", "the core names a plugin"),
        ("stbench/runs/grid.py", "from stbench.methods import knn", "the core names a plugin"),
        ("stbench/runs/grid.py", "def f():\n    from stbench.methods.knn import KNN", "names a plugin"),
        ("stbench/board/board.py", "NAME = 'stbench.metrics.pcc'", "the core names a plugin"),
        ("stbench/scoring/scores.py", "from stbench.board.board import Board", "a floor above"),
        ("stbench/files.py", "import stbench.runs.results", "a floor above"),
        ("methods/knn.py", "from stbench.methods.ridge import Ridge", "another plugin"),
        ("methods/knn.py", "from .ridge import Ridge", "another plugin"),
        ("methods/knn.py", "from stbench.metrics.pcc import pcc", "another plugin"),
        ("methods/knn.py", "from stbench.runs.results import Results", "not for plugins of this kind"),
        ("methods/kernel/process.py", "from ..knn import KNN", "another plugin"),
        ("metrics/pcc.py", "from stbench.methods import Method", "not for plugins of this kind"),
        ("stbench/new_module.py", "from stbench.errors import StbenchError", "is on no floor"),
    ],
)
def test_a_planted_breach_is_found(tmp_path, file, line, breach):
    for folder in ("stbench", *KINDS):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=lambda _, names: _not_code(names))
    with (tmp_path / file).open("a") as code:
        code.write(f"\n{line}\n")
    try:
        found = set(breaches(tmp_path)) - set(breaches(ROOT))
    except AssertionError as error:
        found = {str(error)}
    assert len(found) == 1
    assert breach in found.pop()


def _not_code(names: list[str]) -> list[str]:
    return [name for name in names if "." in name and not name.endswith(".py")]


def test_a_planted_circle_is_found(tmp_path):
    for folder in ("stbench", *KINDS):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=lambda _, names: _not_code(names))
    with (tmp_path / "stbench/errors.py").open("a") as code:
        code.write("\ndef late():\n    from stbench import files\n")
    assert any({"errors", "files"} <= circle for circle in circles(tmp_path))


def test_the_core_holds_no_name_of_a_plugin():
    names = {name for registry in (METHODS, METRICS, DATASETS, RENDERERS) for name in registry.names()}
    found = []
    for name, file in modules(ROOT).items():
        if is_content(name, file):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and node.value in names - WORDS:
                found.append(f"stbench.{name}, line {node.lineno}: '{node.value}'")
    assert found == []
