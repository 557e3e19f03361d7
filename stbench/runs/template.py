"""A warm template of the processes of runs: a fresh interpreter that imports once and forks once per run.

The template never opens a dataset or a results folder: a fork of the grid itself would carry the truth into
every run. It does not touch CUDA, which must not be used before a fork. It ends with the process that started
it, and a run that it forked ends with that process too, whatever becomes of the template.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

MAX_MESSAGE = 1 << 20
IMPORTS = ("stbench.exchange.taskfolder", "stbench.runs.child", "sklearn.neighbors", "threadpoolctl")


class Forked:
    """A process that a template forked; as much of `subprocess.Popen` as a run needs."""

    def __init__(self, template: Template, pid: int, handle: int, stdin: int):
        self.pid = pid
        self.stdin = open(stdin, "wb", buffering=0)  # noqa: SIM115  # never written to: its end ends the run
        self.returncode: int | None = None
        self._template = template
        self._handle = handle

    def poll(self) -> int | None:
        """The exit code once the process has ended, else None; -SIGKILL where nobody knows it."""
        if self.returncode is None and select.select([self._handle], [], [], 0)[0]:
            self.returncode = self._template.exit_code(self.pid)
            os.close(self._handle)
        return self.returncode

    def wait(self) -> int:
        """The exit code, after the end of the process."""
        if self.returncode is None:
            select.select([self._handle], [], [])
        return self.poll() or 0


class Template:
    """Starts the template process; `fork` asks it for the process of a run. Threads may share it."""

    def __init__(self, environment: Mapping[str, str], imports: Sequence[str] = ()):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "stbench.runs.template", str(theirs.fileno()), *IMPORTS, *imports]
        with theirs:
            self._process = subprocess.Popen(
                command,
                cwd=tempfile.gettempdir(),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._channel = ours
        self._lock = threading.Lock()
        self._exits: dict[int, int] = {}

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        return self._process.poll() is None

    def fork(self, folder: Path, environment: Mapping[str, str], environments: str) -> Forked:
        """The process of the run in ``folder``; OSError where the template has ended."""
        request = {"folder": str(folder), "environment": dict(environment), "environments": environments}
        read, write = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._channel, [json.dumps(request).encode()], [read])
                while not (handles := self._receive()):
                    pass
            return Forked(self, *handles, write)
        except BaseException:
            os.close(write)
            raise
        finally:
            os.close(read)

    def exit_code(self, pid: int) -> int:
        """The exit code of a process that has ended; -SIGKILL where the template ended before it."""
        with self._lock, suppress(OSError):
            while pid not in self._exits:
                self._receive()
        return self._exits.pop(pid, -signal.SIGKILL)

    def close(self) -> None:
        """End the template; its runs are not touched."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _receive(self) -> tuple[int, int] | None:
        """Read one message: number and handle of a new process, or None where a process has ended."""
        message, handles, _, _ = socket.recv_fds(self._channel, MAX_MESSAGE, 1)
        if not message:
            raise ConnectionError("The template process has ended.")
        answer = json.loads(message)
        if "forked" in answer:
            return answer["forked"], handles[0]
        self._exits[answer["ended"]] = answer["code"]
        return None


def serve(channel: socket.socket) -> None:
    """Fork a process for every request, and report every end, until the other side is gone."""
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wakes.fileno())
    while True:
        ready, _, _ = select.select([channel, woken], [], [])
        if woken in ready:
            woken.recv(MAX_MESSAGE)
            for pid, code in _ended():
                channel.send(json.dumps({"ended": pid, "code": code}).encode())
        if channel in ready:
            message, handles, _, _ = socket.recv_fds(channel, MAX_MESSAGE, 1)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for own in (channel, woken, wakes):
                    own.close()
                _run(json.loads(message), handles[0])
            handle = os.pidfd_open(pid)  # here: nobody else can have its number yet
            socket.send_fds(channel, [json.dumps({"forked": pid}).encode()], [handle])
            for one in (handle, handles[0]):
                os.close(one)


def _ended() -> list[tuple[int, int]]:
    """Process and exit code of every child that has ended."""
    found = []
    with suppress(ChildProcessError):
        while (answer := os.waitpid(-1, os.WNOHANG))[0]:
            found.append((answer[0], os.waitstatus_to_exitcode(answer[1])))
    return found


def _run(request: dict[str, Any], stdin: int) -> NoReturn:
    """Become the process of a run: own session, folder, environment, log and random state."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.chdir(request["folder"])
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
        for ours, standard in ((stdin, 0), (log, 1), (log, 2)):
            os.dup2(ours, standard)
        os.close(stdin)
        os.close(log)
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None  # chosen anew, by the environment
        random.seed()
        np.random.seed()  # noqa: NPY002  # as in a new interpreter: unseeded draws differ between runs
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak memory so far is the template's

        from stbench.runs.child import run_in

        run_in(Path(request["folder"]), Path(request["environments"]))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for module in sys.argv[2:]:
        with suppress(ImportError):  # the run says what is missing
            importlib.import_module(module)
    importlib.import_module("stbench.method").REGISTRY.names()  # imports every method
    serve(socket.socket(fileno=int(sys.argv[1])))
