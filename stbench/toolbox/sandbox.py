"""What third-party packages change globally, and running them so that all of it is put back."""

from __future__ import annotations

import importlib
import logging
import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

Part = tuple[Callable[[], Any], Callable[[Any], object]]  # how to read it, and how to set it
GENERATOR = "the global generator of "


@contextmanager
def no_traces(device: str) -> Iterator[None]:
    """Put back, on leaving, what third-party code changes globally: `global_parts` and the warning filters.

    Inside, the root logger has a handler, so that a package calling ``logging.info`` does not install one
    that prints.
    """
    parts = global_parts(device)
    before = {name: get() for name, (get, _) in parts.items()}
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for name, (get, put_back) in parts.items():
            if get() != before[name]:
                put_back(before[name])


def global_parts(device: str) -> dict[str, Part]:
    """By name, how to read and set what a method must leave as it was; torch only where it is installed."""
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
        torch = importlib.import_module("torch")
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
