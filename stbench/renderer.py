"""What a renderer is: it writes a `Board` as files. The renderers are the files of ``leaderboard/``.

::

    from stbench.leaderboard import register

    @register("markdown")
    def markdown(board, folder): ...   # writes files into folder, returns their paths
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from stbench.registry import Registry

if TYPE_CHECKING:
    from stbench.board.board import Board

Render = Callable[["Board", Path], list[Path]]
Figures = Literal["none", "main", "all"]  # how many figures are wanted
FIGURES: tuple[Figures, ...] = get_args(Figures)


@dataclass(frozen=True)
class Renderer:
    """Writes a board as files into a folder and returns their paths.

    It needs the packages in ``modules``. ``slow`` renderers run in ``stbench leaderboard`` only, the others
    also at the end of ``stbench run``. A renderer of figures says from which ``--figures`` on it runs; it
    comes after all others.
    """

    name: str
    render: Render
    modules: tuple[str, ...] = ()
    slow: bool = False
    figures: Figures = "none"

    def __call__(self, board: Board, folder: Path) -> list[Path]:
        return self.render(board, folder)

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [module for module in self.modules if find_spec(module) is None]


REGISTRY: Registry[Renderer] = Registry("leaderboard", "renderer")


def register(
    name: str, *, modules: tuple[str, ...] = (), slow: bool = False, figures: Figures = "none"
) -> Callable[[Render], Render]:
    """Decorator that registers ``render(board, folder) -> paths`` as a renderer."""

    def add(render: Render) -> Render:
        REGISTRY.add(name, Renderer(name, render, modules, slow, figures), render.__module__)
        return render

    return add
