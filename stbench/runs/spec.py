"""The grid: which runs a call asks for. One run is one method on one split of one dataset with one seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stbench.config.settings import choose_preset, configure, label
from stbench.data.prepare import Pair
from stbench.data.split import Split, make_splits
from stbench.errors import StbenchError
from stbench.method import Method, Shape


@dataclass(frozen=True)
class RunSpec:
    """One run. ``key`` hashes what its prediction depends on, and names its folder."""

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

    @property
    def key(self) -> str:
        content = [self.method, self.version, self.parameters, self.data_hash, self.split.hash, self.seed]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def description(self, device: str) -> dict[str, Any]:
        """What ``task.json`` says about the run; ``device`` is its name for the method's process."""
        parameters = {"method": self.method, "parameters": self.parameters, "seed": self.seed}
        return parameters | {"device": device}

    @property
    def title(self) -> str:
        """Short name of the run for people."""
        return f"{self.label} · {self.dataset} · split {self.split.rotation} · seed {self.seed}"


def plan(
    pair: Pair,
    methods: Sequence[type[Method]],
    *,
    settings: Mapping[str, Sequence[Mapping[str, Any]]],
    preset: str | None,
    device: str,
    n_splits: int,
    split_seed: int,
    n_seeds: int,
) -> list[RunSpec]:
    """Every run on one prepared dataset, in the order split, seed, method, settings of the method.

    ``settings`` are those of each method by name, see `stbench.config.settings.variants`.
    """
    if n_seeds < 1:
        raise StbenchError(f"--seeds takes a number from 1, not {n_seeds}.")
    configured = [
        _configured(cls, variant, preset, device) for cls in methods for variant in settings[cls.info.name]
    ]
    return [
        RunSpec(
            **fields,
            parameters=asdict(method),
            dataset=pair.name,
            data_hash=pair.hash,
            units=pair.card.units or "counts",
            limit=str(pair.limit),
            split=split,
            seed=seed,
            memory_bytes=method.memory_bytes(_shape(pair, split)),
        )
        for split in make_splits(pair.genes, n_splits, split_seed)
        for seed in range(n_seeds)
        for method, fields in configured
    ]


def _configured(
    cls: type[Method], settings: Mapping[str, Any], preset: str | None, device: str
) -> tuple[Method, dict[str, Any]]:
    own_device = device if cls.info.gpu else "cpu"
    chosen = choose_preset(cls, preset, own_device)
    method = configure(cls, chosen, settings)
    info = cls.info
    return method, {
        "method": info.name,
        "label": label(method, chosen),
        "family": info.family,
        "kind": info.kind,
        "version": info.version,
        "preset": chosen,
        "device": own_device,
    }


def _shape(pair: Pair, split: Split) -> Shape:
    return Shape(
        cells=pair.reference.n_obs,
        spots=pair.spatial.n_obs,
        visible=len(split.train) + len(split.val),
        targets=len(split.test),
        reference_genes=pair.reference.n_vars,
    )
