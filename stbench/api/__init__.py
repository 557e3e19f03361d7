"""The commands as Python functions; `stbench` has them under the same names.

Parameters are the options of the commands, see `stbench.config.options`. The other names are those of scanpy,
squidpy and tangram.
"""

from stbench.api.blind import export, submit
from stbench.api.plugins import check, doctor, env, list_plugins, new
from stbench.api.results import (
    compare,
    make_leaderboard,
    merge,
    pack,
    read_board,
    score,
    show,
    status,
    verify,
)
from stbench.api.runs import choose, predict, run, run_audit
from stbench.applied.joining import join

__all__ = [
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
]
