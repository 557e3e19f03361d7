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


def column_weights(potentials: Any, cost: Any, eps: float) -> Any:
    """Weights of the cells for each spot, (n_cells, n_spots), columns sum to 1.

    They are the normalised columns of the entropic plan with these ``potentials`` of the cells (logarithms of
    their scalings, (n_cells,)). ``cost`` (n_cells, n_spots) may be that of spots that the plan was not solved
    with: the potentials of a sample of a tissue serve for all of it.
    """
    from ot.backend import get_backend

    nx = get_backend(cost)
    exponents = potentials[:, None] - cost / eps
    weights = nx.exp(exponents - nx.max(exponents, axis=0))
    return weights / weights.sum(axis=0)


@contextmanager
def numerical_errors() -> Iterator[None]:
    """Silence all warnings, and raise POT's warning of "numerical errors" as a `UserWarning`.

    POT only warns when a solver leaves the floating-point range. The plan that it returns has not converged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*numerical errors")
        yield
