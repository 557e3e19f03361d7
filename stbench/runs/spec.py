"""The runs that a call requests. One run is one method on one split of one dataset with one seed."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stbench.config.variants import Variant, choose_preset, configure, label
from stbench.data.prepare import Pair
from stbench.data.split import Split, make_splits
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import TaskFile
from stbench.method import Method, Shape
from stbench.runs.times import likeness

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSpec:
    """One run. ``key`` is the hash of all that was asked for, and the name of its folder.

    ``scaled`` are the parameters that replace those of ``parameters`` because the run would not fit in memory
    otherwise, see `stbench.method.Method.within`.
    """

    method: str
    label: str
    family: str
    kind: str
    version: str
    preset: str
    parameters: dict[str, Any]
    dataset: str
    data_hash: str
    units: str
    limit: str
    split: Split
    seed: int
    device: str
    memory_bytes: int
    scaled: dict[str, Any]
    shape: Shape

    @property
    def key(self) -> str:
        content = [self.method, self.version, self.parameters, self.data_hash, self.split.hash, self.seed]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """Short name of the run for people."""
        return f"{self.label} · {self.dataset} · split {self.split.rotation} · seed {self.seed}"

    @property
    def likeness(self) -> str:
        """What this run shares with others that should take the same time."""
        return likeness(self.label, self.preset, self.device, vars(self.shape))

    def task_file(
        self, device: str, threads: int, plugins: Sequence[str], targets: Sequence[str] | None = None
    ) -> TaskFile:
        """``task.json`` of the run, with the name of the device in the process of the run.

        By default ``targets`` are the test genes of the split.
        """
        return TaskFile(
            method=self.method,
            parameters=self.parameters | self.scaled,
            targets=list(self.split.test if targets is None else targets),
            units=self.units,  # type: ignore[arg-type]  # checked by the model
            seed=self.seed,
            threads=threads,
            device=device,
            plugins=list(plugins),
        )


def plan(
    pair: Pair,
    variants: Sequence[Variant],
    *,
    preset: str | None,
    device: str,
    memory: int | None,
    n_splits: int,
    split_seed: int,
    n_seeds: int,
) -> list[RunSpec]:
    """Every run on one prepared dataset, in the order split, seed, variant.

    Methods that need more than ``memory`` bytes are scaled where they have a way; None: never.
    """
    configured = [_configured(variant, preset, device) for variant in variants]
    splits = make_splits(pair.genes, n_splits, split_seed)
    about: dict[str, Any] = {
        "dataset": pair.name,
        "data_hash": pair.hash,
        "units": pair.card.units or "counts",
        "limit": str(pair.limit),
    }
    return [
        RunSpec(**identity, **about, **_need(method, shape, memory), shape=shape, split=split, seed=seed)
        for split, seed in itertools.product(splits, range(n_seeds))
        for shape in [shape_of(pair, split)]
        for method, identity in configured
    ]


def _configured(variant: Variant, preset: str | None, device: str) -> tuple[Method, dict[str, Any]]:
    """The configured method, and the entries of a `RunSpec` that depend only on it."""
    info = variant.cls.info
    device = device if info.gpu else "cpu"
    chosen = choose_preset(variant.cls, preset, device)
    method = configure(variant.cls, chosen, variant.parameters)
    identity = {"method": info.name, "label": label(method, chosen), "preset": chosen, "device": device}
    identity |= {name: getattr(info, name) for name in ("family", "kind", "version")}
    return method, identity | {"parameters": asdict(method)}


def _need(method: Method, shape: Shape, memory: int | None) -> dict[str, Any]:
    """The entries of a `RunSpec` on memory: what the method needs, and how it was scaled to that."""
    used = method
    try:
        if memory is not None and method.memory_bytes(shape) > memory:
            used = method.within(shape, memory)
        need = used.memory_bytes(shape)
    except StbenchError:
        raise
    except Exception as error:  # a method may be a plugin, and the grid goes on
        log.warning("%s: its estimate of memory failed (%s); it runs without one", method.info.name, error)
        return {"memory_bytes": 0, "scaled": {}}
    asked = asdict(method)
    scaled = {name: value for name, value in asdict(used).items() if value != asked[name]}
    return {"memory_bytes": need, "scaled": scaled}


def shape_of(pair: Pair, split: Split) -> Shape:
    """The sizes of the task of a split."""
    return Shape(
        cells=pair.reference.n_obs,
        spots=pair.spatial.n_obs,
        visible=len(split.train) + len(split.val),
        targets=len(split.test),
        reference_genes=pair.reference.n_vars,
    )
