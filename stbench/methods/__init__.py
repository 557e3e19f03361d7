"""The methods: what `stbench.method` defines, for plugins, and the files of ``methods/``."""

from stbench.errors import Unsupported
from stbench.exchange.external import register_card
from stbench.method import REGISTRY, Context, Method, Prediction, Shape, register
from stbench.plugins import card_readers, plugin_path
from stbench.tables import dense
from stbench.task import Task
from stbench.wrapper import Wrapper, register_wrapper

__all__ = [
    "REGISTRY",
    "Context",
    "Method",
    "Prediction",
    "Shape",
    "Task",
    "Unsupported",
    "Wrapper",
    "dense",
    "register",
    "register_wrapper",
]
card_readers["methods"] = register_card
__path__ += plugin_path("methods")
