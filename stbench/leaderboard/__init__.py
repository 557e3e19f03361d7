"""What a renderer is: it turns a `Board` into files. The renderers are the files of ``leaderboard/``.

::

    from stbench.leaderboard import register

    @register("markdown")
    def markdown(board, folder): ...   # writes files into folder, returns their paths
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stbench._checkout import plugin_path
from stbench.registry import Registry

if TYPE_CHECKING:
    from stbench.board import Board

__all__ = ["Renderer", "register"]
__path__ += plugin_path("leaderboard")

Renderer = Callable[["Board", Path], list[Path]]
REGISTRY: Registry[Renderer] = Registry("leaderboard", "renderer")


def register(name: str) -> Callable[[Renderer], Renderer]:
    """Decorator that makes ``render(board, folder) -> paths`` known as a renderer."""

    def add(render: Renderer) -> Renderer:
        REGISTRY.add(name, render, render.__module__)
        return render

    return add
