"""The datasets: what `stbench.dataset` defines, for plugins, and the cards and loaders of ``datasets/``."""

from stbench._checkout import plugin_path
from stbench.dataset import REGISTRY, Card, Loader, register

__all__ = ["REGISTRY", "Card", "Loader", "register"]
__path__ += plugin_path("datasets")
