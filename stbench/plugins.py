"""Finds plugins: files of the content folders, entry points of packages, files of ``--plugin``.

A method in another language is a card, a TOML file: ``methods/NAME/method.toml``, or ``--plugin CARD.toml``.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from stbench.errors import StbenchError

PLUGIN_PREFIX = "stbench_plugin_"
CARD = "method.toml"
CARD_KIND = "methods"
card_readers: dict[str, Callable[[Path, str], type]] = {}  # by kind; (file, module name) -> registered class


def plugin_path(kind: str) -> list[str]:
    """The folder ``<root>/<kind>`` of a source checkout, as a list to add to a package's ``__path__``.

    Empty when stbench runs from a wheel, where the plugins are already inside the package.
    """
    root = Path(__file__).resolve().parent.parent
    folder = root / kind
    return [str(folder)] if folder.is_dir() and (root / "pyproject.toml").is_file() else []


def import_all(kind: str) -> dict[str, str]:
    """Import, and so register, every plugin of ``kind``; returns the reason for each broken one by name."""
    broken: dict[str, str] = {}

    def attempt(name: str, load: Callable[..., object], *arguments: Any) -> None:
        try:
            load(*arguments)
        except Exception as error:  # a plugin may fail in any way; the others must still load
            broken[name] = f"{type(error).__name__}: {error}"

    package = importlib.import_module(f"stbench.{kind}")
    for module in pkgutil.iter_modules(package.__path__):
        attempt(module.name, importlib.import_module, f"stbench.{kind}.{module.name}")
    for card in sorted(card for folder in package.__path__ for card in Path(folder).glob(f"*/{CARD}")):
        name = card.parent.name
        attempt(name, _run_file, card, f"stbench.{kind}.{name}")
    for point in entry_points(group=f"stbench.{kind}"):
        attempt(point.name, importlib.import_module, point.module)
    return broken


def load_plugin(file: Path) -> None:
    """Import, and so register, the plugins in a Python file or card (TOML) of the user."""
    if not file.is_file():
        raise StbenchError(f"Plugin file '{file}' does not exist.")
    name = PLUGIN_PREFIX + file.stem
    loaded = sys.modules.get(name)
    if loaded is not None:
        if loaded.__file__ == str(file.resolve()):
            return
        raise StbenchError(f"Two plugin files are called '{file.name}'. Rename one of them.")
    try:
        _run_file(file.resolve(), name)
    except StbenchError:
        raise
    except Exception as error:
        raise StbenchError(f"Plugin file '{file}' is broken: {type(error).__name__}: {error}") from error


def loaded_files() -> list[Path]:
    """The files that `load_plugin` has read, to read them in another process too."""
    return [Path(str(m.__file__)) for name, m in list(sys.modules.items()) if name.startswith(PLUGIN_PREFIX)]


def is_own(module: str, namespace: Mapping[str, Any]) -> bool:
    """Whether code with these globals belongs to a plugin: its ``module``, or one of its package."""
    return f"{namespace.get('__name__')}.".startswith(f"{module}.")


def last_line(module: str, error: BaseException) -> tuple[str, int] | None:
    """File and line of the last code of a plugin's ``module`` in the traceback of an error."""
    own = [
        (frame.f_code.co_filename, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if is_own(module, frame.f_globals)
    ]
    return own[-1] if own else None


class _CardLoader(importlib.abc.Loader):
    """Turns a card into a module without code, because every plugin has a file and a module name."""

    def exec_module(self, module: ModuleType) -> None:
        importlib.import_module(f"stbench.{CARD_KIND}")  # it registers the reader of cards
        cls = card_readers[CARD_KIND](Path(str(module.__file__)), module.__name__)
        setattr(module, cls.__name__, cls)


def _run_file(file: Path, name: str) -> None:
    """Run a Python file, or register a card, as the module ``name``."""
    loader = _CardLoader() if file.suffix == ".toml" else None
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    if spec is None or spec.loader is None:
        raise StbenchError(f"Plugin file '{file}' is neither a Python file nor a card (.toml).")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
