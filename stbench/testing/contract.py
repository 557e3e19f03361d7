"""The contract of a method as checks on tiny data; each one reports the problem and what to change.

``stbench check method`` prints the report, and ``tests/test_contract.py`` runs the same checks on every
registered method.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import anndata
import numpy as np
from scipy import sparse

from stbench.data.prepare import Pair
from stbench.data.split import make_splits
from stbench.errors import StbenchError, Unsupported
from stbench.method import Method, Shape
from stbench.task import Task
from stbench.testing.planted import copied, degenerate_task, planted_pair, planted_task, prepared
from stbench.testing.probes import (
    Breach,
    child_run,
    crash_line,
    definition_line,
    first_change,
    predicted_values,
)
from stbench.toolbox.sandbox import GENERATOR

OWN_GENERATOR = (
    "Draw from a generator made from ctx.seed (np.random.default_rng, torch.Generator, random_state=). "
    "Call a package that accepts no generator inside stbench.toolbox.sandbox.no_traces."
)
Run = Callable[[Method, Path], str | None]
FAST_SECONDS = 5.0  # so that ten are enough with the start of Python and the last check
SEED_NOISE = 2.0  # another order of the targets may change as much as this many changes of the seed


@dataclass(frozen=True)
class Check:
    """One part of the contract: the promise of a method, and what to change where it is broken.

    ``run(method, scratch)`` raises where the promise is broken and may return a remark. ``about`` is the name
    of the function of the method that must keep the promise; it is empty for the class. ``starts`` is whether
    it starts processes, which is slow.
    """

    name: str
    promise: str
    remedy: str
    about: str
    run: Run
    starts: bool = False


@dataclass(frozen=True)
class Verdict:
    """The result of one check; ``problem`` is empty where the method passed.

    ``line`` is the line of the method's code that breaks the promise, as ``file:line: code``, or else the
    definition of the function (empty for an external method). ``remedy`` is what to change.
    """

    check: Check
    problem: str = ""
    line: str = ""
    remedy: str = ""
    remark: str = ""


CHECKS: dict[str, Check] = {}  # in order: the cause of a problem comes before its consequences


def _check(name: str, *, remedy: str, about: str = "predict", starts: bool = False) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        CHECKS[name] = Check(name, str(run.__doc__).split("\n")[0], remedy, about, run, starts)
        return run

    return add


def check_method(method: Method, scratch: Path, *, fast: bool = False) -> Iterator[Verdict]:
    """A verdict for every check up to the first that fails, one at a time; ``scratch`` is an empty folder.

    ``fast`` leaves out the checks that start processes, and those that are left after `FAST_SECONDS` of CPU
    time, which other work on the machine does not lengthen.
    """
    start = time.process_time()
    for check in CHECKS.values():
        if fast and (check.starts or time.process_time() - start > FAST_SECONDS):
            continue
        try:
            yield Verdict(check, remark=check.run(method, scratch) or "")
        except (Exception, SystemExit) as error:  # a method may raise anything, and the report names it
            ours = isinstance(error, StbenchError)
            problem = str(error) if ours else f"{type(error).__name__}: {error}"
            line, remedy = (error.line, error.remedy) if isinstance(error, Breach) else ("", "")
            line = line or crash_line(method, error) or definition_line(method, check.about)
            yield Verdict(check, problem, line, remedy or check.remedy)
            return


@_check("metadata", remedy="Fill in register(...) and the class docstring.")
def states_its_source(method: Method, scratch: Path) -> None:
    """States its source, and where it deviates from it."""
    info, text = method.info, inspect.getdoc(type(method)) or ""
    if not info.paper or not text:
        raise Breach("it has no paper, or no docstring")
    if info.kind == "method" and not info.link:
        raise Breach("a published method needs the doi of its paper, or the url of a package without one")
    if info.kind == "method" and "Deviations" not in text:
        raise Breach("the docstring has no section 'Deviations' (from the authors' code; None is allowed)")


@_check("shape", remedy="Correct this line; predict() returns finite values, (n_spots, n_targets).")
def predicts_every_target(method: Method, scratch: Path) -> None:
    """Predicts a finite value for every target at every spot."""
    predicted_values(method, planted_task(), scratch)


@_check("choices", remedy="Name it in register(..., tuned=(...)) and report its value by ctx.chosen(...).")
def names_its_choices(method: Method, scratch: Path) -> None:
    """Names and reports what it chooses on the validation genes."""
    chosen: dict[str, Any] = {}
    with mock.patch.object(Task, "validation", autospec=True, side_effect=Task.validation) as asked:
        predicted_values(method, planted_task(), scratch, chosen=chosen.update)
    if unnamed := sorted(set(chosen) - set(method.info.tuned)):
        raise Breach(f"it chooses {', '.join(unnamed)}, which register() does not name")
    if asked.called and not chosen:
        raise Breach("it looks at the validation genes and reports no choice")


@_check("side effects", remedy="Work on copies; change global settings only inside no_traces.")
def leaves_things_as_they_were(method: Method, scratch: Path) -> None:
    """Leaves the task and the state of the process as they were."""
    change, _ = first_change(method, scratch)
    if change:  # a change by an import does not happen a second time
        change, line = first_change(method, scratch, watched=change)
    if change.startswith(GENERATOR):
        raise Breach(f"it seeds or uses {change}", line, OWN_GENERATOR)
    if change:
        raise Breach(f"it changes {change}", line)


@_check("seed", remedy="Derive everything random from ctx.seed: rng = np.random.default_rng(ctx.seed).")
def same_seed_same_answer(method: Method, scratch: Path) -> None:
    """Gives the same answer, bit by bit, for the same seed."""
    task = planted_task()
    for seed in (0, 1):
        first, second = (predicted_values(method, task, scratch, seed) for _ in range(2))
        _require_equal(first, second, "in a second run with the same seed")


@_check("order", remedy="Look genes up by name: dense(task.reference, task.targets).")
def order_of_targets(method: Method, scratch: Path) -> None:
    """Matches targets by name, not by position.

    A method that draws random numbers per target may differ as much as between two seeds.
    """
    task = planted_task()
    turned = Task(task.reference, task.spatial, task.targets[::-1], task.units)
    first = predicted_values(method, task, scratch)
    second = predicted_values(method, turned, scratch)[:, ::-1]
    if np.allclose(second, first, rtol=1e-3, atol=1e-4):
        return
    noise = np.linalg.norm(predicted_values(method, task, scratch, seed=1) - first)
    if np.linalg.norm(second - first) > SEED_NOISE * noise:
        raise Breach("targets in another order get different values")


@_check("containers", remedy="Read values with stbench.methods.dense, which reads sparse and dense tables.")
def containers_make_no_difference(method: Method, scratch: Path) -> None:
    """Gives the same answer for CSR, CSC, sparse arrays and dense arrays."""
    task = planted_task()
    expected = predicted_values(method, task, scratch)
    for container in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csr_matrix.toarray):
        values = predicted_values(method, copied(task, container), scratch)
        _require_equal(expected, values, f"with X from {container.__name__}()", rtol=1e-4, atol=1e-5)


@_check("degenerate input", remedy="Use task.varying_genes(), and guard every division by a spread or a sum.")
def survives_degenerate_input(method: Method, scratch: Path) -> None:
    """Survives constant genes, a target absent from the reference, an empty spot and equal spots."""
    for n_spots in (129, 130):  # odd and even, one more than a power of two: batches that are not full
        predicted_values(method, degenerate_task(n_spots), scratch)


@_check("intensities", remedy="Use X, or call task.require_counts() first.")
def intensities_work_or_are_refused(method: Method, scratch: Path) -> str | None:
    """Handles intensities, or reports that it needs counts."""
    reference, spatial = planted_pair()
    spatial.X = spatial.X * 0.25
    return _works_or_is_unsupported("counts", method, planted_task((reference, spatial)), scratch)


@_check("no coordinates", remedy="Do without, or call task.coordinates() first.")
def missing_coordinates_work_or_are_refused(method: Method, scratch: Path) -> str | None:
    """Handles spots without coordinates, or reports that it needs them."""
    reference, spatial = planted_pair()
    del spatial.obsm["spatial"]
    return _works_or_is_unsupported("coordinates", method, planted_task((reference, spatial)), scratch)


@_check(
    "own process",
    remedy="Predict from task.reference, task.spatial and task.targets alone.",
    starts=True,
)
def never_sees_the_answer(method: Method, scratch: Path) -> None:
    """Gives the same answer in another process, also after every hidden value was replaced."""
    pair = prepared(planted_pair())
    split = make_splits(pair.genes)[0]
    reference, spatial = planted_pair()
    values, hidden = spatial.X.toarray(), spatial.var_names.isin(split.test)
    values[:, hidden] = np.random.default_rng(1).integers(1, 99, (spatial.n_obs, hidden.sum()))
    spatial.X = sparse.csr_matrix(values)
    spoiled = prepared((reference, spatial))

    def answer(pair: Pair, hash_seed: int) -> np.ndarray:
        folder, _ = child_run(method, pair, split, scratch, hash_seed)
        return np.asarray(anndata.read_h5ad(folder / "prediction.h5ad").X)

    first, second = answer(pair, 0), answer(spoiled, 1)
    if not np.array_equal(first, second):  # a leak, unless another process alone changes the answer
        remedy = "Sort a set before iterating over it; use no hash(), id() or clock."
        _require_equal(first, answer(pair, 1), "in another process with the same seed", remedy)
        _require_equal(first, second, "when the hidden values change, so they leak")


@_check("cost", remedy="Override memory_bytes(shape) with what predict() allocates.", starts=True)
def estimates_its_memory(method: Method, scratch: Path) -> str:
    """Estimates at least the memory of its prediction."""
    pair = prepared(planted_pair(n_cells=300, n_spots=200, n_genes=60, extra=60))
    split = make_splits(pair.genes)[0]
    start = time.monotonic()
    _, outcome = child_run(method, pair, split, scratch)
    seconds = time.monotonic() - start
    visible = len(split.train) + len(split.val)
    shape = Shape(300, pair.spatial.n_obs, visible, len(split.test), pair.reference.n_vars)
    estimate = method.memory_bytes(shape)
    if not isinstance(estimate, int) or estimate < 8 * pair.spatial.n_obs * len(split.test):
        raise Breach(f"memory_bytes() returns {estimate!r}, less than the bytes of the prediction itself")
    peak = outcome["peak_rss_bytes"]
    memory = "" if peak is None else f" and {peak / 1e6:.0f} MB at the peak"
    used = f"300 cells and 200 spots take {seconds:.1f} s{memory} with the start of Python"
    return f"{used}; the estimate is {estimate / 1e6:.1f} MB."


def _works_or_is_unsupported(word: str, method: Method, task: Task, scratch: Path) -> str | None:
    try:
        predicted_values(method, task, scratch)
    except Unsupported as error:
        if word not in str(error):
            raise Breach(f"it is unsupported here, but the reason does not name {word}: {error}") from error
        return f"unsupported: {error}"
    return None


def _require_equal(
    first: np.ndarray, second: np.ndarray, when: str, remedy: str = "", rtol: float = 0, atol: float = 0
) -> None:
    if not np.allclose(first, second, rtol, atol):
        largest = np.abs(second - first).max()
        raise Breach(f"the answer differs {when} (by {largest:.3g} at most)", remedy=remedy)
