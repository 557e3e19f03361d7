"""The renderers: what `stbench.renderer` defines, for plugins, and the files of ``leaderboard/``."""

import sys
from types import ModuleType
from typing import Any

from stbench._checkout import plugin_path
from stbench.renderer import REGISTRY, Renderer, register

__all__ = ["REGISTRY", "Renderer", "register"]
__path__ += plugin_path("leaderboard")


class _Callable(ModuleType):
    """This package, which is also the function `stbench.api.leaderboard`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from stbench import api

        return api.leaderboard(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
