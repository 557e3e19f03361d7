"""stbench: a fair benchmark of gene prediction in spatial transcriptomics.

In Python: `run`, `score`, `make_leaderboard`, `choose`, `predict`, `export` and `submit`, as the commands of
these names.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FUNCTIONS = ("choose", "export", "make_leaderboard", "predict", "run", "score", "submit")


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module("stbench.api"), name)
    raise AttributeError(f"module 'stbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_FUNCTIONS])
