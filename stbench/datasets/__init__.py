"""The datasets: what `stbench.dataset` defines, for plugins, and the cards and loaders of ``datasets/``."""

from stbench.dataset import REGISTRY, Card, Loader, Sizes, register
from stbench.plugins import plugin_path

__all__ = ["REGISTRY", "Card", "Loader", "Sizes", "register"]
__path__ += plugin_path("datasets")
