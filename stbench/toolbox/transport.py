"""Helpers of the optimal transport methods for the package POT (`import ot`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def on_device(values: np.ndarray, device: str) -> Any:
    """``values`` for POT: unchanged on ``cpu``, else a tensor of the same shape on ``device``."""
    if device == "cpu":
        return values
    import torch

    return torch.as_tensor(values, device=device)


@contextmanager
def numerical_errors() -> Iterator[None]:
    """Silence all warnings, and raise POT's warning of "numerical errors" as a `UserWarning`.

    POT only warns when a solver leaves the floating-point range. The plan that it returns has not converged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*numerical errors")
        yield
