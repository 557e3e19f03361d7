"""What the processes of one run use, and their end. The whole tree counts, also what left its group."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "TMPDIR"  # a run's folder in its environment: children inherit it whatever group they move to


def processes(pid: int) -> list[psutil.Process]:
    """The process and all its descendants; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory_bytes(tree: list[psutil.Process], limit: int) -> int:
    """Memory that ``tree`` holds, in bytes: resident pages, and where that exceeds ``limit`` the exact sum.

    Forked processes share pages, which the quick sum counts once for each of them.
    """
    quick = sum(_memory(process, "memory_info", "rss") for process in tree)
    if quick <= limit or not psutil.LINUX:
        return quick
    return sum(_memory(process, "memory_full_info", "pss") for process in tree)


def _memory(process: psutil.Process, call: str, field: str) -> int:
    with suppress(psutil.Error):  # it ended meanwhile, or is not ours to look at
        return int(getattr(getattr(process, call)(), field))
    return 0


def folder_bytes(folder: Path) -> int:
    """Disk that the files under ``folder`` occupy, in bytes."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it may vanish under our eyes
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return total


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that ``pid`` leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def kill_marked(folder: Path) -> None:
    """Kill every process of the run in ``folder``, whatever its group: by `MARK`, working folder or log."""
    inside = str(folder) + os.sep
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # a forked process shows the environment of its template, which has another MARK
            places = process.environ().get(MARK, ""), process.cwd(), _standard_output(process)
            if any((place + os.sep).startswith(inside) for place in places):
                process.kill()


def _standard_output(process: psutil.Process) -> str:
    """The file that a process prints into, empty where the system does not tell."""
    with suppress(OSError):
        return os.readlink(f"/proc/{process.pid}/fd/1")
    return ""
