"""The methods: what `stbench.method` defines, for plugins, and the files of ``methods/``."""

from stbench._checkout import plugin_path
from stbench.errors import Unsupported
from stbench.method import REGISTRY, Context, Method, Prediction, Shape, register
from stbench.tables import dense
from stbench.task import Task

__all__ = ["REGISTRY", "Context", "Method", "Prediction", "Shape", "Task", "Unsupported", "dense", "register"]
__path__ += plugin_path("methods")
