"""Methods that go wrong in every way that the engine must survive. A ``--plugin`` file for the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from stbench.methods import Context, Method, Prediction, Shape, Task, Unsupported, register


def odd(name: str):
    return register(name, family="baseline", paper="stbench tests", version="1")


def answer(task: Task) -> np.ndarray:
    return np.ones((task.spatial.n_obs, len(task.targets)))


@odd("odd_fine")
@dataclass(frozen=True)
class Fine(Method):
    """Random values; tells its environment in its log."""

    scale: float = 1.0
    mode: bool = False

    def predict(self, task: Task, ctx: Context) -> Prediction:
        print("cwd", os.getcwd())
        print("environment", sorted(os.environ))
        for step in range(3):
            ctx.progress(step + 1, 3, loss=0.5)
        mean = self.scale * np.random.default_rng(ctx.seed).random((task.spatial.n_obs, len(task.targets)))
        return Prediction(mean, mean - 1, mean + 1)


@odd("odd_raises")
@dataclass(frozen=True)
class Raises(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        raise ValueError("the inner reason")


@odd("odd_target")
@dataclass(frozen=True)
class AsksForTarget(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return task.spatial[:, task.targets].X.toarray()


@odd("odd_hangs")
@dataclass(frozen=True)
class Hangs(Method):
    """Ignores SIGTERM and has a child that does the same."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctx.progress(1, 3, loss=0.5)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
        return answer(task)


@odd("odd_exits")
@dataclass(frozen=True)
class Exits(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        os._exit(3)


@odd("odd_segfault")
@dataclass(frozen=True)
class Segfault(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGSEGV)
        return answer(task)


@odd("odd_killed")
@dataclass(frozen=True)
class Killed(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        return answer(task)


@odd("odd_memory")
@dataclass(frozen=True)
class Memory(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return np.ones((1 << 40, 1 << 10))


@odd("odd_estimate")
@dataclass(frozen=True)
class Estimate(Method):
    def memory_bytes(self, shape: Shape) -> int:
        return 10**18

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return answer(task)


@odd("odd_shape")
@dataclass(frozen=True)
class WrongShape(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return answer(task)[:, 1:]


@odd("odd_nan")
@dataclass(frozen=True)
class NotANumber(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        values = answer(task)
        values[0, 0] = np.nan
        return values


@odd("odd_unsupported")
@dataclass(frozen=True)
class NotForMe(Method):
    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        raise Unsupported("needs a second tissue")


@odd("odd_resumes")
@dataclass(frozen=True)
class Resumes(Method):
    """Counts its tries in its checkpoint; the first one never ends."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        tries = 1 + (int(ctx.checkpoint.read_text()) if ctx.checkpoint.is_file() else 0)
        ctx.checkpoint.write_text(str(tries))
        print("try", tries)
        if tries == 1:
            time.sleep(1000)
        return answer(task)
