"""Methods that harm: memory, disk, processes, forged and broken files. A ``--plugin`` file for the tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stbench.exchange.taskfolder import write_prediction
from stbench.methods import Context, Method, Shape, Task, register

SLEEPER = "import time; time.sleep(600)"


def harmful(name: str):
    return register(name, family="baseline", paper="stbench tests", version="1")


def answer(task: Task, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((task.spatial.n_obs, len(task.targets)))


def leave(status: str = "ok", **more) -> None:
    """End the process at once, with an outcome of the method's own making."""
    Path("outcome.json").write_text(json.dumps({"status": status, "reason": "", **more}))
    os._exit(0)


@harmful("harm_sleeps")
@dataclass(frozen=True)
class Sleeps(Method):
    """Sleeps; adds a line to ``marks`` when it starts, so that a test can count runs."""

    seconds: float = 0.0
    marks: str = ""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        if self.marks:
            with open(self.marks, "a") as file:
                file.write(f"{ctx.seed} {os.getpid()}\n")
        print(ctx.device, repr(os.environ.get("CUDA_VISIBLE_DEVICES")))
        time.sleep(self.seconds)
        return answer(task, ctx.seed)


@harmful("harm_big")
@dataclass(frozen=True)
class Big(Sleeps):
    """Says that it needs a lot of memory."""

    gigabytes: float = 1.0

    def memory_bytes(self, shape: Shape) -> int:
        return int(self.gigabytes * 1e9)


@harmful("harm_scales")
@dataclass(frozen=True)
class Scales(Big):
    """Needs less memory when it is asked to."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return np.full((task.spatial.n_obs, len(task.targets)), self.gigabytes)

    def within(self, shape: Shape, memory: int) -> Scales:
        return replace(self, gigabytes=memory / 1e9)


@register("harm_gpu", family="baseline", paper="stbench tests", version="1", gpu=True)
@dataclass(frozen=True)
class Gpu(Sleeps):
    """Runs on a GPU where there is one."""

    seconds: float = 2.0


@harmful("harm_grows")
@dataclass(frozen=True)
class Grows(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        held = []
        while True:
            held.append(np.ones(2_000_000))  # 16 MB
            time.sleep(0.01)


@harmful("harm_child_grows")
@dataclass(frozen=True)
class ChildGrows(Method):
    """The memory is held by a process that has left the group."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        code = "import time; x = bytearray(2_000_000_000); x[::4096] = b'x' * len(x[::4096]); time.sleep(600)"
        subprocess.run([sys.executable, "-c", code], start_new_session=True, check=False)
        return answer(task)


@harmful("harm_writes")
@dataclass(frozen=True)
class Writes(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        with (ctx.scratch / "big").open("wb") as file:
            while True:
                file.write(os.urandom(1_000_000))
                file.flush()
                time.sleep(0.005)


@harmful("harm_fills")
@dataclass(frozen=True)
class Fills(Method):
    """Writes until the disk is full."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        with open("big", "wb") as file:
            while True:
                file.write(bytes(1_000_000))


@harmful("harm_daemon")
@dataclass(frozen=True)
class Daemon(Method):
    """Leaves a process behind that belongs to another session and ignores SIGTERM."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                print("daemon", os.getpid(), flush=True)
                time.sleep(600)
            os._exit(0)
        time.sleep(1)
        return answer(task)


@harmful("harm_drops_genes")
@dataclass(frozen=True)
class DropsGenes(Method):
    """Writes its own file, with a gene too few."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        fewer = Task(task.reference, task.spatial, task.targets[1:], task.units)
        write_prediction(Path("prediction.h5ad"), fewer, answer(fewer))
        leave()


@harmful("harm_half_file")
@dataclass(frozen=True)
class HalfFile(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        file = Path("prediction.h5ad")
        write_prediction(file, task, answer(task))
        os.truncate(file, file.stat().st_size // 2)
        leave()


@harmful("harm_infinite")
@dataclass(frozen=True)
class Infinite(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return np.full((task.spatial.n_obs, len(task.targets)), np.inf)


@harmful("harm_bomb")
@dataclass(frozen=True)
class Bomb(Method):
    """A small file that unpacks to a hundred gigabytes."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        import h5py

        write_prediction(Path("prediction.h5ad"), task, answer(task))
        with h5py.File("prediction.h5ad", "a") as file:
            del file["X"]
            file.create_dataset("X", (100_000, 131_072), "f8", chunks=(1000, 1000), compression="gzip")
        leave()


@harmful("harm_link")
@dataclass(frozen=True)
class Link(Method):
    """A prediction that is a link to a file elsewhere."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        os.symlink("/etc/hostname", "prediction.h5ad")
        leave()


@harmful("harm_forges")
@dataclass(frozen=True)
class Forges(Method):
    """Claims to be another method, and to have taken no time."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        write_prediction(Path("prediction.h5ad"), task, answer(task))
        leave(method="mean", key="../../elsewhere", dataset="other", wall_s=0.0, seed=7)


@harmful("harm_talks")
@dataclass(frozen=True)
class Talks(Method):
    """Says nonsense about its progress, and says a lot."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        ctx.progress(1, 1, loss="not a number", share=float("nan"))
        time.sleep(0.5)
        Path("progress.json").write_text('{"done": [], "total": {}}')
        time.sleep(0.5)
        for _ in range(200):
            print("x" * 10_000)
        print("the last word", flush=True)
        return answer(task)


@harmful("harm_clock")
@dataclass(frozen=True)
class Clock(Method):
    """A method in whose process the wall clock jumps back by years."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        time.time = lambda: 0.0
        ctx.progress(1, 1)
        return answer(task)


@harmful("harm_removes")
@dataclass(frozen=True)
class Removes(Method):
    """Removes its own folder."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        shutil.rmtree(Path.cwd())
        return answer(task)
