"""Running packages that seed, filter and log globally, and putting all of it back."""

from __future__ import annotations

import logging
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_traces(device: str) -> Iterator[None]:
    """Put back, on leaving, what third-party code changes globally.

    These are the random states of Python, numpy and torch (of the CPU and of ``device``), the flags of cuDNN,
    the filters of warnings, level and handlers of the root logger, and the environment. Inside, the root
    logger has a handler, so that a package calling ``logging.info`` does not install one that prints.
    """
    import numpy as np
    import torch

    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic
    root, anndata = logging.getLogger(), logging.getLogger("anndata")
    level, handlers, disabled = root.level, list(root.handlers), anndata.disabled
    environment = dict(os.environ)
    devices = [device] if device.startswith("cuda") else []
    root.addHandler(logging.NullHandler())
    try:
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        cudnn.benchmark, cudnn.deterministic = flags
        root.setLevel(level)
        root.handlers[:] = handlers
        anndata.disabled = disabled
        for key in os.environ.keys() - environment.keys():
            del os.environ[key]
        os.environ.update(environment)
