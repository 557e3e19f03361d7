"""The contract of a method as checks on tiny data; each says what is wrong and what to change.

``stbench check method`` prints them as a report, and ``tests/test_contract.py`` runs the same checks over
every registered method.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import anndata
import numpy as np
from scipy import sparse

from stbench.data.prepare import Pair
from stbench.data.split import Split, make_splits
from stbench.data.visible import visible_spatial
from stbench.errors import StbenchError, Unsupported
from stbench.exchange.taskfolder import TaskFile, write_tables
from stbench.method import Context, Method, Prediction, Shape
from stbench.plugins import PLUGIN_PREFIX
from stbench.runs.process import Limits, finish, start_run
from stbench.task import Task
from stbench.testing.planted import copied, degenerate_task, planted_pair, planted_task, prepared

SEED_NOISE = 2.0  # another order of the targets may change as much as this many changes of the seed


class Breach(StbenchError):
    """A method does not keep the contract."""


Run = Callable[[Method, Path], str | None]


@dataclass(frozen=True)
class Check:
    """One part of the contract: what a method promises, and what to change where it does not.

    ``run(method, scratch)`` raises where the promise is broken and may return a remark.
    """

    name: str
    promise: str
    remedy: str
    run: Run


@dataclass(frozen=True)
class Verdict:
    """How a method fared in one check; ``problem`` is empty where it passed."""

    check: Check
    problem: str = ""
    remark: str = ""


CHECKS: dict[str, Check] = {}


def _check(name: str, *, remedy: str) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        CHECKS[name] = Check(name, str(run.__doc__).split("\n")[0], remedy, run)
        return run

    return add


def examine(method: Method, scratch: Path) -> Iterator[Verdict]:
    """A verdict for every check, one at a time; ``scratch`` is an empty folder."""
    for check in CHECKS.values():
        try:
            yield Verdict(check, remark=check.run(method, scratch) or "")
        except Exception as error:  # whatever a method raises is what the report is about
            yield Verdict(check, problem=_described(error))


@_check("metadata", remedy="Fill in register(...) and the class docstring.")
def says_what_it_is(method: Method, scratch: Path) -> None:
    """States its source, and where it deviates from it."""
    info, text = method.info, inspect.getdoc(type(method)) or ""
    if not info.paper or not text:
        raise Breach("it has no paper, or no docstring")
    if info.kind == "method" and not info.doi:
        raise Breach("a published method needs the doi of its paper")
    if info.kind == "method" and "Deviations" not in text:
        raise Breach("the docstring has no section 'Deviations' (from the authors' code; it may say None)")


@_check(
    "shape", remedy="Return one finite value per spot and target: (task.spatial.n_obs, len(task.targets))."
)
def predicts_every_target(method: Method, scratch: Path) -> None:
    """Predicts a finite value for every target at every spot."""
    predict(method, planted_task(), scratch)


@_check("seed", remedy="Derive everything random from ctx.seed: rng = np.random.default_rng(ctx.seed).")
def same_seed_same_answer(method: Method, scratch: Path) -> None:
    """Gives the same answer for the same seed, bit by bit."""
    task = planted_task()
    for seed in (0, 1):
        _same(predict(method, task, scratch, seed), predict(method, task, scratch, seed), "a second run")


@_check("order", remedy="Look genes up by name: dense(task.reference, task.targets).")
def order_of_targets(method: Method, scratch: Path) -> None:
    """Matches targets by name, not by place.

    A method that draws random numbers per target may differ as much as it does between seeds.
    """
    task = planted_task()
    turned = Task(task.reference, task.spatial, task.targets[::-1], task.units)
    first, second = predict(method, task, scratch), predict(method, turned, scratch)[:, ::-1]
    if np.allclose(second, first, rtol=1e-3, atol=1e-4):
        return
    noise = np.linalg.norm(predict(method, task, scratch, seed=1) - first)
    if np.linalg.norm(second - first) > SEED_NOISE * noise:
        raise Breach("the targets in another order get other maps")


@_check("containers", remedy="Read values with stbench.methods.dense, which takes sparse and dense tables.")
def containers_make_no_difference(method: Method, scratch: Path) -> None:
    """Gives the same answer for CSR, CSC, sparse arrays and dense arrays."""
    task = planted_task()
    expected = predict(method, task, scratch)
    for container in (
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.csr_array,
        lambda values: values.toarray(),
    ):
        _close(predict(method, copied(task, container), scratch), expected, "another container of X")


@_check(
    "side effects", remedy="Work on copies; set no global seed, thread number, log level or warning filter."
)
def leaves_things_as_they_were(method: Method, scratch: Path) -> None:
    """Leaves the task and the state of the process as they were."""
    task = planted_task()
    before, process = copied(task, lambda values: values.copy()), _process_state()
    predict(method, task, scratch)
    for name, value in _process_state().items():
        if value != process[name]:
            raise Breach(f"it changes {name}")
    for side in ("reference", "spatial"):
        old, new = getattr(before, side), getattr(task, side)
        for part in ("obs", "var"):
            if not getattr(old, part).equals(getattr(new, part)):
                raise Breach(f"it changes task.{side}.{part}")
        if list(old.uns) != list(new.uns) or (old.X != new.X).nnz:
            raise Breach(f"it changes task.{side}")


@_check("degenerate input", remedy="Use task.varying_genes(), and guard every division by a spread or a sum.")
def survives_degenerate_input(method: Method, scratch: Path) -> None:
    """Survives constant genes, a target absent from the reference, an empty spot and equal spots."""
    for n_spots in (129, 130):  # odd and even, one more than a power of two: batches that are not full
        predict(method, degenerate_task(n_spots), scratch)


@_check("intensities", remedy="Use X, or call task.require_counts() first.")
def intensities_work_or_are_refused(method: Method, scratch: Path) -> str | None:
    """Handles intensities, or says that it needs counts."""
    reference, spatial = planted_pair()
    spatial.X = spatial.X * 0.25
    return _works_or_says("counts", method, planted_task((reference, spatial)), scratch)


@_check("no coordinates", remedy="Do without, or ask with task.coordinates() first.")
def coordinates_are_asked_for(method: Method, scratch: Path) -> str | None:
    """Handles spots without coordinates, or says that it needs them."""
    reference, spatial = planted_pair()
    del spatial.obsm["spatial"]
    return _works_or_says("coordinates", method, planted_task((reference, spatial)), scratch)


@_check(
    "leak tripwire", remedy="Read only task.reference, task.spatial and task.targets; use no hash or clock."
)
def never_sees_the_answer(method: Method, scratch: Path) -> None:
    """Gives a bit-identical answer in its own process after every hidden value was replaced."""
    pair = prepared(planted_pair())
    split = make_splits(pair.genes)[0]
    reference, spatial = planted_pair()
    values, hidden = spatial.X.toarray(), spatial.var_names.isin(split.test)
    values[:, hidden] = np.random.default_rng(1).integers(1, 99, (spatial.n_obs, hidden.sum()))
    spatial.X = sparse.csr_matrix(values)
    spoiled = prepared((reference, spatial))
    answers = [
        anndata.read_h5ad(_child(method, pair, split, scratch, hash_seed)[0] / "prediction.h5ad")
        for hash_seed, pair in enumerate((pair, spoiled))
    ]
    if list(answers[0].var_names) != list(answers[1].var_names):
        raise Breach("the targets have other names")
    _same(answers[0].X, answers[1].X, "hidden values that were replaced")


@_check("cost", remedy="Override memory_bytes(shape) with what predict() allocates.")
def costs_what_it_says(method: Method, scratch: Path) -> str:
    """Runs within the memory it estimates; the remark says time and memory on 300 cells and 200 spots."""
    pair = prepared(planted_pair(n_cells=300, n_spots=200, n_genes=60, extra=60))
    split = make_splits(pair.genes)[0]
    start = time.monotonic()
    _, outcome = _child(method, pair, split, scratch)
    seconds = time.monotonic() - start
    visible = len(split.train) + len(split.val)
    shape = Shape(300, pair.spatial.n_obs, visible, len(split.test), pair.reference.n_vars)
    estimate = method.memory_bytes(shape)
    if not isinstance(estimate, int) or estimate < 8 * pair.spatial.n_obs * len(split.test):
        raise Breach(f"memory_bytes() says {estimate!r} bytes, less than the prediction itself takes")
    peak = outcome["peak_rss_bytes"]
    memory = "" if peak is None else f", {peak / 1e6:.0f} MB at the peak"
    return f"{seconds:.1f} s{memory} (with the start of Python), own estimate {estimate / 1e6:.1f} MB"


def predict(method: Method, task: Task, scratch: Path, seed: int = 0) -> np.ndarray:
    """The values that ``method`` predicts, (n_spots, n_targets), checked for shape and finiteness."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = method.predict(task, Context(seed=seed, scratch=scratch))
    values = np.asarray(answer.mean if isinstance(answer, Prediction) else answer)
    shape = (task.spatial.n_obs, len(task.targets))
    if values.shape != shape:
        raise Breach(f"predict() returns the shape {values.shape} instead of {shape} (spots, targets)")
    if not np.isfinite(values).all():
        raise Breach(f"{int((~np.isfinite(values)).sum())} of {values.size} predicted values are not finite")
    return values


def _process_state() -> dict[str, Any]:
    """What a method must not change, by the name that a report calls it."""
    torch = importlib.import_module("torch") if find_spec("torch") else None
    root = logging.getLogger()
    state: dict[str, Any] = {
        "the global seed of numpy": np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002
        "the global seed of random": random.getstate(),
        "the log level": root.level,
        "the log handlers": list(root.handlers),
        "the warning filters": list(warnings.filters),
        "the working folder": os.getcwd(),
        "the environment variables": dict(os.environ),
    }
    if torch:
        state["the global seed of torch"] = torch.get_rng_state().tolist()
        state["the default type of torch"] = torch.get_default_dtype()
        state["the number of threads of torch"] = torch.get_num_threads()
    return state


def _works_or_says(word: str, method: Method, task: Task, scratch: Path) -> str | None:
    try:
        predict(method, task, scratch)
    except Unsupported as error:
        if word not in str(error):
            raise Breach(f"it refuses without a word about {word}: {error}") from error
        return f"unsupported: {error}"
    return None


def _child(
    method: Method, pair: Pair, split: Split, scratch: Path, hash_seed: int = 0
) -> tuple[Path, dict[str, Any]]:
    """The folder and the outcome of a run in a process of its own, as the grid makes one, that ended ok."""
    inputs = Path(mkdtemp(dir=scratch))
    pair.reference.write_h5ad(inputs / "reference.h5ad")
    write_tables(inputs / "tables", inputs / "reference.h5ad", visible_spatial(pair.spatial, split, "counts"))
    task = TaskFile(
        method=method.info.name,
        parameters=asdict(method),
        targets=list(split.test),
        units="counts",
        seed=0,
        threads=1,
        device="cpu",
        plugins=_plugins(method),
    )
    hashes = {"PYTHONHASHSEED": str(hash_seed)}
    process = start_run(inputs / "tables", task, Limits(), parent=inputs, environment=hashes)
    outcome = finish(process)
    if outcome["status"] != "ok":
        raise Breach(f"its process ended as {outcome['status']}: {outcome['reason']}")
    return process.folder, outcome


def _plugins(method: Method) -> list[str]:
    cls = type(method)
    return [inspect.getfile(cls)] if cls.__module__.startswith(PLUGIN_PREFIX) else []


def _same(second: Any, first: Any, after: str) -> None:
    if not np.array_equal(second, first):
        raise Breach(f"the answer differs after {after} (by {np.abs(second - first).max():.3g} at most)")


def _close(second: np.ndarray, first: np.ndarray, after: str) -> None:
    if not np.allclose(second, first, rtol=1e-4, atol=1e-5):
        raise Breach(f"the answer differs after {after} (by {np.abs(second - first).max():.3g} at most)")


def _described(error: Exception) -> str:
    """The error in a line; for one that is not ours, with the last line of the method's code in it."""
    if isinstance(error, StbenchError):
        return str(error)
    frame = next(
        (f for f in reversed(inspect.trace()) if "site-packages" not in f.filename), inspect.trace()[-1]
    )
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
