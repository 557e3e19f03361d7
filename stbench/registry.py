"""The plugins of one kind by name: methods, datasets (loaders), metrics, leaderboard (renderers).

The first request imports them; `stbench.plugins` finds them.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from stbench.errors import StbenchError, unknown_name
from stbench.plugins import PLUGIN_PREFIX, import_all

T = TypeVar("T")


class Registry(Generic[T]):
    """The plugins of one kind by name; ``broken`` has the reason for those that cannot be imported."""

    def __init__(self, kind: str, noun: str):
        self.kind = kind
        self.noun = noun
        self.broken: dict[str, str] = {}
        self._items: dict[str, T] = {}
        self._modules: dict[str, str] = {}
        self._loaded = False

    def add(self, name: str, item: T, module: str) -> None:
        """Register ``item`` of ``module`` under ``name``."""
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
        """The plugin called ``name``; `StbenchError` where it is unknown or broken."""
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
            raise StbenchError(f"'{module}' is in the checkout: import 'stbench.{module}' instead.")
        raise StbenchError(
            f"The {self.noun} '{name}' is defined in '{module}', which stbench cannot find. "
            f"Give its file with --plugin, or declare an entry point in the group stbench.{self.kind}."
        )

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            self.broken = import_all(self.kind)


def _origin(module: str) -> str:
    file: Any = getattr(sys.modules.get(module), "__file__", None)
    return str(file or module)
