"""stbench: a fair benchmark of gene prediction in spatial transcriptomics.

In Python: `run`, `score`, `leaderboard`, `choose` and `predict`, each as the command of that name.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FUNCTIONS = ("choose", "predict", "run", "score")


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module("stbench.api"), name)
    if name == "leaderboard":
        return import_module("stbench.leaderboard")  # a package that is also the function
    raise AttributeError(f"module 'stbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_FUNCTIONS, "leaderboard"])
