"""``stbench ARGUMENTS`` in a process of its own, forked from a server that has done the slow imports."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["stbench.cli", "stbench.runs.benchmark", "stbench.board.collect", "stbench.board.render", "stbench.plot"]
)


def stbench(
    *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess:
    """What the command printed, and its exit code."""
    command = list(map(str, arguments))
    with tempfile.TemporaryDirectory(prefix="stbench-command-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = SERVER.Process(target=_run, args=(command, cwd, dict(env or os.environ), out, err))
        process.start()
        process.join()
        return subprocess.CompletedProcess(command, process.exitcode, out.read_text(), err.read_text())


def _run(arguments: list[str], cwd: Path | None, env: dict[str, str], out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # chosen anew, by the environment
    os.chdir(cwd or Path.cwd())
    for file, standard in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), standard)
    sys.argv = ["stbench", *arguments]

    from stbench.cli import main

    main()
