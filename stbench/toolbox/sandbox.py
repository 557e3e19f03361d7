"""The global state that third-party packages change, and a context that puts it back."""

from __future__ import annotations

import logging
import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

Part = tuple[Callable[[], Any], Callable[[Any], object]]  # functions that read and set a part of the state
GENERATOR = "the global generator of "


@contextmanager
def no_traces(device: str) -> Iterator[None]:
    """Put back, at the end, the global state that packages change: `global_parts` and warning filters."""
    parts = global_parts(device)
    before = {name: get() for name, (get, _) in parts.items()}
    # without a handler, logging.info in a package would install one that prints
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for name, (get, put_back) in parts.items():
            if get() != before[name]:
                put_back(before[name])


def global_parts(device: str) -> dict[str, Part]:
    """By name, the global state that a method must leave unchanged; torch only where it is installed."""
    import numpy as np

    def numpy_state() -> tuple[Any, ...]:
        name, key, *rest = np.random.get_state()  # noqa: NPY002
        return (name, tuple(key), *rest)

    def set_environment(variables: dict[str, str]) -> None:
        for key in os.environ.keys() - variables.keys():
            del os.environ[key]
        os.environ.update(variables)

    def attribute(owner: object, name: str) -> Part:
        return partial(getattr, owner, name), partial(setattr, owner, name)

    root, anndata = logging.getLogger(), logging.getLogger("anndata")
    parts: dict[str, Part] = {
        GENERATOR + "random": (random.getstate, random.setstate),
        GENERATOR + "numpy": (numpy_state, np.random.set_state),
        "the log level": (lambda: root.level, root.setLevel),
        "the log handlers": (lambda: list(root.handlers), lambda old: setattr(root, "handlers", old)),
        "the log of anndata": attribute(anndata, "disabled"),
        "the working folder": (os.getcwd, os.chdir),
        "the environment variables": (lambda: dict(os.environ), set_environment),
    }
    if find_spec("torch"):
        import torch

        cudnn = torch.backends.cudnn
        parts |= {
            GENERATOR + "torch": (
                lambda: torch.get_rng_state().tolist(),
                lambda old: torch.set_rng_state(torch.ByteTensor(old)),
            ),
            "the default type of torch": (torch.get_default_dtype, torch.set_default_dtype),
            "the number of threads of torch": (torch.get_num_threads, torch.set_num_threads),
            "cudnn.benchmark": attribute(cudnn, "benchmark"),
            "cudnn.deterministic": attribute(cudnn, "deterministic"),
        }
        if device.startswith("cuda"):
            parts[f"{GENERATOR}torch on {device}"] = (
                lambda: torch.cuda.get_rng_state(device).tolist(),
                lambda old: torch.cuda.set_rng_state(torch.ByteTensor(old), device),
            )
    return parts


def bare_table(values: np.ndarray, genes: list[str]) -> AnnData:
    """AnnData with ``values`` in float32 CSR, which packages that refuse arrays and views can read."""
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    return AnnData(csr_matrix(values, dtype="float32"), var=pd.DataFrame(index=genes))
