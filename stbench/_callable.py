"""Modules that are also the function of their name: ``stbench.run(...)`` beside ``stbench.run.Summary``."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def make_callable(module: str) -> None:
    """Let the imported ``module`` be called as the function of the same name in `stbench.api`."""
    sys.modules[module].__class__ = _CallableModule


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from stbench import api

        return getattr(api, self.__name__.rpartition(".")[2])(*args, **kwargs)
