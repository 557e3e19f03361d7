"""What a metric is. The metrics themselves are the files of ``metrics/``.

::

    from stbench.metrics import register

    @register("pcc", best="high", bounds=(-1, 1), definition="1", primary=True, headline=True, column=1)
    def pcc(truth, prediction): ...    # two arrays (n_spots, n_genes) -> (n_genes,)

    @register("ssim_grid", ..., needs_coords=True)
    def ssim_grid(truth, prediction, coordinates): ...

    @register("coverage", ..., needs_intervals=True)
    def coverage(truth, prediction): ...    # prediction.lower, .upper, .level

    @register("domain_ari", ..., needs_coords=True, needs_visible=True, over_genes=True)
    def domain_ari(truth, prediction, coordinates, visible): ...    # one number
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from stbench.errors import StbenchError
from stbench.registry import Registry

if TYPE_CHECKING:
    import numpy as np

ALL_GENES = "all genes"  # in the place of a gene, for the score of a metric over all of them

Function = Callable[..., "np.ndarray | float"]  # (truth, prediction[, coordinates][, visible]) -> (n_genes,)
F = TypeVar("F", bound=Function)
Best = Literal["high", "low", "level"]


@dataclass(frozen=True)
class Metric:
    """A pure function of truth and prediction (and coordinates, where ``needs_coords``).

    Where it ``needs_intervals``, the prediction is a `stbench.methods.Prediction` with bounds. Methods
    without intervals have no value of such a metric, nor have datasets without coordinates one that needs
    these. Where it ``needs_visible``, the function also gets the measured maps of the genes that were not to
    be predicted, (n_spots, n_visible), after the coordinates. With ``over_genes`` it returns one number for
    all genes of a run, NaN where the truth alone leaves it undefined. It is then computed only when it is
    named.
    ``best`` is the better direction: ``high``, ``low``, or ``level`` for a metric that should equal the
    nominal level of the intervals and has no winner. ``bounds`` are the smallest and largest possible value.
    ``definition`` is the version of the formula and changes with it. ``primary`` metrics determine the rank.
    ``column`` is the place among the metrics that are computed by default; a metric without a column is
    computed only when it is named. The one ``headline`` metric comes first in tables and figures.
    ``redundant`` is the formula of a metric that follows from another primary one: the rank is also given
    without it. ``ceiling`` takes the correlation between two halves of the counts, (n_genes,), and returns
    the best score that their noise allows; metrics without it have no ceiling.
    """

    name: str
    function: Function
    best: Best
    bounds: tuple[float, float]
    definition: str
    needs_coords: bool = False
    primary: bool = False
    column: int | None = None
    needs_intervals: bool = False
    needs_visible: bool = False
    over_genes: bool = False
    headline: bool = False
    redundant: str = ""
    ceiling: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        if self.over_genes and self.column is not None:
            raise StbenchError(
                f"Metric '{self.name}': one number for all genes has no column among those per gene."
            )


REGISTRY: Registry[Metric] = Registry("metrics", "metric")


def register(
    name: str, *, best: Best, bounds: tuple[float, float], definition: str, **options: Any
) -> Callable[[F], F]:
    """Decorator that registers ``f(truth, prediction[, coordinates][, visible]) -> (n_genes,)``.

    ``options`` are the other fields of `Metric`.
    """

    def add(function: F) -> F:
        metric = Metric(name, function, best, bounds, definition, **options)
        REGISTRY.add(name, metric, function.__module__)
        return function

    return add


def headline(metrics: Iterable[Metric] | None = None) -> str:
    """Name of the headline metric of ``metrics``, by default of all registered ones.

    Raises `StbenchError` unless exactly one of them has ``headline=True``.
    """
    metrics = REGISTRY.items().values() if metrics is None else metrics
    names = [metric.name for metric in metrics if metric.headline]
    if len(names) != 1:
        raise StbenchError(
            f"Exactly one metric must be registered with headline=True, not {len(names)} "
            f"({', '.join(names) or 'none'})."
        )
    return names[0]
