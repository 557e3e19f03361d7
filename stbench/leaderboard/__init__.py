"""The renderers: what `stbench.renderer` defines, for plugins, and the files of ``leaderboard/``."""

from stbench.plugins import plugin_path
from stbench.renderer import REGISTRY, Renderer, register

__all__ = ["REGISTRY", "Renderer", "register"]
__path__ += plugin_path("leaderboard")
