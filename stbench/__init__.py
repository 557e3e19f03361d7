"""stbench: a fair benchmark of gene prediction in spatial transcriptomics.

In Python, every command is a function: `stbench.run`, `stbench.choose`, `stbench.predict`; see `stbench.api`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# those of stbench.api, which is imported when the first of them is used
_FUNCTIONS = (
    "check",
    "choose",
    "compare",
    "doctor",
    "env",
    "export",
    "join",
    "list_plugins",
    "make_leaderboard",
    "merge",
    "new",
    "pack",
    "predict",
    "read_board",
    "run",
    "run_audit",
    "score",
    "show",
    "status",
    "submit",
    "verify",
)


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module("stbench.api"), name)
    raise AttributeError(f"module 'stbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_FUNCTIONS])
