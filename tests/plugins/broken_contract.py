"""Methods that each break one part of the contract. A plugin file for the tests of ``stbench check``."""

from __future__ import annotations

import logging
import os
import random
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from stbench.methods import Context, Method, Shape, Task, dense, register
from stbench.toolbox.sandbox import no_traces


def breaking(name: str):
    return register(f"breaks_{name}", family="baseline", paper="stbench tests", version="1")


def sound(task: Task) -> np.ndarray:
    """Values that keep the contract: the mean profile, tilted by the total of a spot."""
    tilt = 1 + dense(task.spatial, task.visible).sum(axis=1, keepdims=True)
    return tilt * dense(task.reference, task.targets).mean(axis=0)


@breaking("nothing")
@dataclass(frozen=True)
class Sound(Method):
    """Breaks nothing."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task)


@register("breaks_metadata", family="alignment", paper="stbench tests", version="1")
@dataclass(frozen=True)
class WithoutDoi(Method):
    """Claims a published family without a doi."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task)


@breaking("shape")
@dataclass(frozen=True)
class Transposed(Method):
    """Genes x spots."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task).T


@breaking("choices")
@dataclass(frozen=True)
class Silent(Method):
    """Looks at the validation genes and does not say what for."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        task.validation()
        return sound(task)


@breaking("seed")
@dataclass(frozen=True)
class Unseeded(Method):
    """Draws without the seed."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task) + np.random.default_rng().normal(size=(1, len(task.targets)))


@breaking("order")
@dataclass(frozen=True)
class ByPlace(Method):
    """Takes the targets from the end of the reference, sorted, whatever their order."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return np.sort(sound(task), axis=1)


@breaking("containers")
@dataclass(frozen=True)
class SparseOnly(Method):
    """Asks X for a method that only sparse tables have."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        task.spatial.X.tocsr()
        return sound(task)


@breaking("side_effects")
@dataclass(frozen=True)
class SeedsGlobally(Method):
    """Seeds numpy for everybody."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        np.random.seed(ctx.seed)  # noqa: NPY002
        return sound(task)


@breaking("degenerate_input")
@dataclass(frozen=True)
class Divides(Method):
    """Divides by the total of a spot."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task) / dense(task.spatial, task.visible).sum(axis=1, keepdims=True)


@breaking("intensities")
@dataclass(frozen=True)
class NeedsCounts(Method):
    """Reads counts without asking whether there are some."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task) + dense(task.spatial, task.visible, layer="counts").mean()


@breaking("no_coordinates")
@dataclass(frozen=True)
class NeedsCoordinates(Method):
    """Reads coordinates without asking whether there are some."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task) + task.spatial.obsm["spatial"][:, :1]


@breaking("own_process")
@dataclass(frozen=True)
class DependsOnHashes(Method):
    """Iterates over a set of names, whose order changes from process to process."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        first = next(iter({f"{gene}!" for gene in task.visible}))[:-1]
        return sound(task) + dense(task.spatial, [first])


@breaking("cost")
@dataclass(frozen=True)
class ClaimsNothing(Method):
    """Says that it needs no memory."""

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        return sound(task)

    def memory_bytes(self, shape: Shape) -> int:
        return 0


@breaking("one_thing")
@dataclass(frozen=True)
class BreaksOneThing(Method):
    """Does what ``how`` says."""

    how: str = "nothing"

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        with no_traces(ctx.device):
            np.random.seed(7)  # noqa: NPY002
        values = sound(task)
        match self.how:
            case "crash":
                values = values[:, len(task.targets)]
            case "exit":
                raise SystemExit(1)
            case "hidden gene":
                values = dense(task.spatial[:, task.targets], task.targets)
            case "seeds numpy":
                np.random.seed(ctx.seed)  # noqa: NPY002
            case "seeds random":
                random.seed(ctx.seed)
            case "seeds torch":
                torch.manual_seed(ctx.seed)
            case "draws":
                values = values + np.random.normal()  # noqa: NPY002
            case "helper":
                values = values + drawn()
            case "unseeded":
                values = values + np.random.default_rng().normal()
            case "log level":
                logging.getLogger().setLevel(logging.ERROR)
            case "warnings":
                warnings.simplefilter("ignore")
            case "threads":
                torch.set_num_threads(3)
            case "centres":
                task.spatial.obsm["spatial"] -= task.spatial.obsm["spatial"].mean(axis=0)
            case "leak":
                values = values + float(os.environ.get("PLANTED_LEAK", 0))
            case "sandboxed":
                with no_traces(ctx.device):
                    np.random.seed(ctx.seed)  # noqa: NPY002
                    values = values + np.random.normal()  # noqa: NPY002
        return values


def drawn() -> float:
    return random.random()
