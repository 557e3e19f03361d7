"""One registry per kind of plugin: methods, datasets (loaders), metrics, leaderboard (renderers).

A plugin is found in three places: a file in the content folder, an entry point of an installed package
(group ``stbench.<kind>``), or a file given with ``--plugin``. Nothing is imported before it is asked for.
A method in another language is a card, a TOML file: ``methods/NAME/method.toml``, or ``--plugin CARD.toml``.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import pkgutil
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from stbench.errors import StbenchError, unknown_name

T = TypeVar("T")
PLUGIN_PREFIX = "stbench_plugin_"
CARD = "method.toml"


class Registry(Generic[T]):
    """The plugins of one kind by name; ``broken`` holds those that could not be imported, with the reason."""

    def __init__(self, kind: str, noun: str):
        self.kind = kind
        self.noun = noun
        self.broken: dict[str, str] = {}
        self._items: dict[str, T] = {}
        self._modules: dict[str, str] = {}
        self._loaded = False

    def add(self, name: str, item: T, module: str) -> None:
        """Register ``item``, defined in ``module``, under ``name``."""
        self._check_origin(name, module)
        if name in self._items and self._modules[name] != module:
            raise StbenchError(
                f"The {self.noun} '{name}' is registered twice: by {_origin(self._modules[name])} "
                f"and by {_origin(module)}. Rename one of them."
            )
        self._items[name] = item
        self._modules[name] = module

    def names(self) -> list[str]:
        """Sorted names of all working plugins."""
        self._load()
        return sorted(self._items)

    def get(self, name: str) -> T:
        """The plugin called ``name``; a clear error where there is none or it is broken."""
        self._load()
        if name in self._items:
            return self._items[name]
        if name in self.broken:
            raise StbenchError(f"The {self.noun} '{name}' is broken: {self.broken[name]}")
        raise unknown_name(self.noun, name, self._items)

    def items(self) -> dict[str, T]:
        """All working plugins, sorted by name."""
        return {name: self._items[name] for name in self.names()}

    def _check_origin(self, name: str, module: str) -> None:
        if module.startswith(("stbench.", PLUGIN_PREFIX)):
            return
        if any(module.startswith(point.module) for point in entry_points(group=f"stbench.{self.kind}")):
            return
        if module.split(".")[0] == self.kind:
            raise StbenchError(
                f"'{module}' was imported from the checkout: import 'stbench.{module}' instead."
            )
        raise StbenchError(
            f"The {self.noun} '{name}' comes from '{module}', which stbench does not know. "
            f"Give its file with --plugin, or declare an entry point in the group stbench.{self.kind}."
        )

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(f"stbench.{self.kind}")
        for module in pkgutil.iter_modules(package.__path__):
            self._try(module.name, importlib.import_module, f"stbench.{self.kind}.{module.name}")
        for card in sorted(card for folder in package.__path__ for card in Path(folder).glob(f"*/{CARD}")):
            name = card.parent.name
            self._try(name, _run_file, card, f"stbench.{self.kind}.{name}")
        for point in entry_points(group=f"stbench.{self.kind}"):
            self._try(point.name, importlib.import_module, point.module)

    def _try(self, name: str, load: Callable, *arguments: Any) -> None:
        try:
            load(*arguments)
        except Exception as error:  # a plugin may fail in any way; the others must go on
            self.broken[name] = f"{type(error).__name__}: {error}"


def load_plugin(file: Path) -> None:
    """Import a plugin file (Python) or card (TOML) given by the user; it registers whatever it defines."""
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


class _CardLoader(importlib.abc.Loader):
    """Makes a card a module without code, so that it has a file and a name as every plugin has."""

    def exec_module(self, module: ModuleType) -> None:
        from stbench.extend.external import register_card

        cls = register_card(Path(str(module.__file__)), module.__name__)
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


def _origin(module: str) -> str:
    file: Any = getattr(sys.modules.get(module), "__file__", None)
    return str(file or module)
