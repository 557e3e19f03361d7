"""The origin of a number, as manifests store it: the command, and the version of the code."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from stbench import __version__

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, Any]:
    """The part of a manifest that all runs of one command share."""
    return {"command": command(), "stbench": __version__, "git": git_state()}


def command() -> list[str]:
    """The command of this process, as a list of words."""
    program = Path(sys.argv[0]).name
    return ["stbench" if program == "__main__.py" else program, *sys.argv[1:]]


@cache
def git_state() -> dict[str, Any] | None:
    """Commit of the checkout of this code, and whether its files have changed; None outside a checkout."""
    if not (ROOT / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(ROOT), *call], capture_output=True, text=True, check=True).stdout
            for call in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit.strip(), "changed": bool(changes.strip())}
