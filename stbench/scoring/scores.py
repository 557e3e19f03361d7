"""Scores per gene of a prediction against the truth.

Genes and spots are matched by name. A gene that is constant in the truth has NaN for every method and
metric. A missing or non-finite prediction is an error; no value is filled in.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stbench.errors import StbenchError, first_line
from stbench.files import read_h5ad
from stbench.method import Prediction
from stbench.metric import ALL_GENES, REGISTRY
from stbench.tables import dense, frame

if TYPE_CHECKING:
    from anndata import AnnData


class MetricFailed(StbenchError):
    """The function of a ``metric`` raised an exception, or gave no values of the right shape."""

    def __init__(self, metric: str, reason: str):
        super().__init__(f"Metric '{metric}' failed ({reason}).")
        self.metric = metric


def score(
    truth: pd.DataFrame,
    prediction: pd.DataFrame,
    metrics: Iterable[str] | None = None,
    *,
    coordinates: np.ndarray | None = None,
    intervals: Prediction | None = None,
    visible: AnnData | None = None,
) -> pd.DataFrame:
    """Scores, one row per gene of ``truth`` in its order, one column per metric.

    Where a metric over all genes is requested, its value is in a last row, `stbench.metric.ALL_GENES`, in
    which metrics per gene have NaN.

    Parameters
    ----------
    truth, prediction
        Spots x genes on the scale of ``X``, with the same spots and the same genes in any order.
    metrics
        Names of registered metrics, in the order of the columns. Default: `default_metrics`.
    coordinates
        (n_spots, 2 or 3), in the order of the spots of ``truth``. Without them, metrics that need coordinates
        are left out.
    intervals
        Bounds and level, with the spots and genes of ``prediction`` in its order. Without them, metrics that
        need intervals are left out.
    visible
        The measured values of other genes, at the spots of ``truth`` in its order. Without them, metrics that
        need them are left out.

    Raises
    ------
    StbenchError
        When names repeat or differ, when a value is missing or not finite, when a metric is unknown or
        raises (`MetricFailed`), or when no metric is left.
    """
    bounded = intervals is not None and intervals.lower is not None and intervals.upper is not None
    requested = default_metrics() if metrics is None else dict.fromkeys(metrics)
    names = applicable(
        requested, coordinates=coordinates is not None, intervals=bounded, visible=visible is not None
    )
    if not names:
        raise StbenchError(
            "No metric is left: the requested ones need coordinates, prediction intervals or visible genes."
        )
    _check_names(truth.index, prediction.index, "spot")
    _check_names(truth.columns, prediction.columns, "gene")
    order = np.ix_(prediction.index.get_indexer(truth.index), prediction.columns.get_indexer(truth.columns))
    prediction = prediction.reindex(index=truth.index, columns=truth.columns)
    true, predicted = _finite(truth, "truth"), _finite(prediction, "prediction")

    varying = np.ptp(true, axis=0) > 0
    whole = [ALL_GENES] if any(REGISTRY.get(name).over_genes for name in names) else []
    scores = pd.DataFrame(np.nan, index=pd.Index([*truth.columns, *whole], name="gene"), columns=names)
    if not varying.any():
        return scores
    if not varying.all():
        true, predicted = true[:, varying], predicted[:, varying]
    genes, found = truth.columns[varying], [REGISTRY.get(name) for name in names]
    others = None
    if visible is not None and any(metric.needs_visible for metric in found):
        others = dense(visible, visible.var_names)
    for metric in found:
        more = [coordinates] if metric.needs_coords else []
        more += [others] if metric.needs_visible else []
        rows = whole if metric.over_genes else genes
        answer = _bounded(predicted, intervals, order, varying) if metric.needs_intervals else predicted
        try:
            scores.loc[rows, metric.name] = metric.function(true, answer, *more)
        except Exception as error:  # a metric may be a plugin
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise MetricFailed(metric.name, reason) from error
    return scores


def applicable(names: Iterable[str], *, coordinates: bool, intervals: bool, visible: bool) -> list[str]:
    """The named metrics, without those that need coordinates, intervals or visible genes that are missing."""
    metrics = (REGISTRY.get(name) for name in names)
    metrics = (metric for metric in metrics if visible or not metric.needs_visible)
    metrics = (metric for metric in metrics if coordinates or not metric.needs_coords)
    return [metric.name for metric in metrics if intervals or not metric.needs_intervals]


def score_files(truth: Path, prediction: Path, metrics: Iterable[str] | None = None) -> pd.DataFrame:
    """Scores of the genes in ``prediction``, in its order, from ``X`` of two h5ad files.

    Both files must have the same spots, in any order. The truth may have more genes than the prediction,
    which are then the visible ones; its ``obsm["spatial"]`` are the coordinates. Raises `StbenchError` as
    `score` does, and for a file that is missing, damaged or without ``X``.
    """
    true, predicted = _read(truth), _read(prediction)
    absent = predicted.var_names.difference(true.var_names, sort=False)
    if len(absent) == predicted.n_vars:
        raise StbenchError(f"'{prediction}' shares no gene with '{truth}'. Check the gene names of both.")
    if len(absent):
        raise StbenchError(
            f"'{truth}' lacks {len(absent)} gene(s) of '{prediction}'; the first is '{absent[0]}'. "
            "Remove them, or give a truth with them."
        )
    return score(
        frame(true, predicted.var_names),
        frame(predicted, predicted.var_names),
        metrics,
        coordinates=np.asarray(true.obsm["spatial"], dtype=float) if "spatial" in true.obsm else None,
        intervals=_intervals(predicted),
        visible=other_genes(true, predicted.var_names),
    )


def other_genes(truth: AnnData, targets: Iterable[str]) -> AnnData | None:
    """The part of ``truth`` with the genes that are not among ``targets``; None where there is none."""
    others = ~truth.var_names.isin(list(targets))
    return truth[:, others] if others.any() else None


def default_metrics() -> list[str]:
    """Names of the metrics with a ``column``, in that order: the others are computed only when named."""
    places = {(metric.column, name) for name, metric in REGISTRY.items().items() if metric.column is not None}
    return [name for _, name in sorted(places)]


def _check_names(truth: pd.Index, prediction: pd.Index, noun: str) -> None:
    """Raise unless both have the same names, each once."""
    _check_unique(truth, f"the truth has the {noun}")
    _check_unique(prediction, f"the prediction has the {noun}")
    missing, unknown = truth.difference(prediction, sort=False), prediction.difference(truth, sort=False)
    if len(missing) == len(truth):
        raise StbenchError(f"Truth and prediction share no {noun}. Check the {noun} names of both.")
    for absent, side in ((missing, "prediction"), (unknown, "truth")):
        if len(absent):
            raise StbenchError(f"The {side} lacks {len(absent)} {noun}(s); the first is '{absent[0]}'.")


def _check_unique(names: pd.Index, owner: str) -> None:
    if not names.is_unique:
        raise StbenchError(f"Names must be unique: {owner} '{names[names.duplicated()][0]}' more than once.")


def _finite(table: pd.DataFrame, side: str) -> np.ndarray:
    """The values as float64; raises for the first gene with a missing or infinite value."""
    values = np.ascontiguousarray(table.to_numpy(dtype=float))  # one layout, one order of summation
    bad = ~np.isfinite(values)
    if bad.any():
        gene = int(bad.any(axis=0).argmax())
        raise StbenchError(
            f"The {side} of gene '{table.columns[gene]}' is missing or not finite "
            f"at {bad[:, gene].sum()} of {len(values)} spots."
        )
    return values


def _read(file: Path) -> AnnData:
    table = read_h5ad(file)
    if table.X is None:
        raise StbenchError(f"'{file}' has no X. Write the values to score as X.")
    for names, noun in ((table.obs_names, "spot"), (table.var_names, "gene")):
        _check_unique(names, f"'{file}' has the {noun}")
    return table


def _bounded(
    predicted: np.ndarray, intervals: Prediction | None, order: tuple[np.ndarray, ...], varying: np.ndarray
) -> Prediction:
    """The prediction of the scored genes with its bounds, in the order of the truth."""
    assert intervals is not None  # `applicable` left these metrics out otherwise
    lower, upper = (np.asarray(b, dtype=float)[order][:, varying] for b in (intervals.lower, intervals.upper))
    return Prediction(predicted, lower, upper, intervals.level)


def _intervals(table: AnnData) -> Prediction | None:
    """The bounds in the layers of a prediction file, None if it has none."""
    if not {"lower", "upper"} <= set(table.layers):
        return None
    genes = table.var_names
    lower, upper = (_finite(frame(table, genes, name), f"{name} bound") for name in ("lower", "upper"))
    return Prediction(dense(table, genes), lower, upper, level=float(table.uns.get("level", 0.9)))
