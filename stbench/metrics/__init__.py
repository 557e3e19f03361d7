"""The metrics: what `stbench.metric` defines, for plugins, and the files of ``metrics/``."""

from stbench.metric import REGISTRY, Metric, headline, register
from stbench.plugins import plugin_path

__all__ = ["REGISTRY", "Metric", "headline", "register"]
__path__ += plugin_path("metrics")
