"""The metrics: what `stbench.metric` defines, for plugins, and the files of ``metrics/``."""

from stbench._checkout import plugin_path
from stbench.metric import REGISTRY, Metric, headline, register

__all__ = ["REGISTRY", "Metric", "headline", "register"]
__path__ += plugin_path("metrics")
