"""Scores of the published protocol on any dataset, with and without the truth in the prediction.

The sampling code of CausalGeD (commit 8474310, ``model/sample.py``) and of SpaDiT (commit fc8a3f9) draws a
mask over 30 % of the non-zero entries of the test matrix. After every step, the last one included, it
replaces all other entries of the prediction by the test matrix. `paste` does the same replacement here, in
predictions of known quality.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stbench.audit.granger import granger_tables
from stbench.config.options import AuditOptions
from stbench.files import read_h5ad
from stbench.metric import REGISTRY
from stbench.runs.events import Reporter
from stbench.runs.manifest import OK
from stbench.scoring.scores import default_metrics, score
from stbench.tables import frame

if TYPE_CHECKING:
    from stbench.runs.benchmark import Summary

log = logging.getLogger(__name__)

MASKED = 0.3  # share of the non-zero entries that keep the prediction
CONSTANT = 0.5
ONLY_PASTED = "gene's mean of the pasted non-zeros"  # it uses the pasted truth, so it has no score without
LATENT, HIDDEN = 256, 1024  # sizes of the published decoder
PUBLISHED = "causalged_"  # begins the names of the metrics with the published formulas

COLUMNS = ["dataset", "limit", "predictor", "kind", "pasted", "metric", "mean", "sd", "n_genes"]


@dataclass(frozen=True, eq=False)
class Audit:
    """Scores of the protocol on one dataset.

    ``scores`` has the columns `COLUMNS`; ``kind`` is ``nothing learned`` or ``method``. The shares are those
    of zeros, and of true values after `paste`, among the entries of the test matrix, spots x genes.
    ``granger`` are the tables of `stbench.audit.granger.granger_tables` for the reference, by order.
    """

    dataset: str
    limit: str
    n_spots: int
    n_genes: int
    zero_share: float
    pasted_share: float
    scores: pd.DataFrame
    granger: dict[str, pd.DataFrame]


def draw_mask(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask of 30 % of the non-zero entries, drawn at random, (n_spots, n_genes) of bool."""
    nonzero = np.flatnonzero(truth)
    mask = np.zeros(truth.size, dtype=bool)
    mask[rng.choice(nonzero, round(MASKED * len(nonzero)), replace=False)] = True
    return mask.reshape(truth.shape)


def paste(truth: np.ndarray, prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The prediction where ``mask`` is set, the truth everywhere else."""
    return np.where(mask, prediction, truth)


def untrained_decoder(n_genes: int, n_spots: int, seed: int) -> np.ndarray:
    """Output of the published decoder with its initial random weights on random latents, (n_spots, n_genes).

    Layers 256 - 512 - 1024 - n_spots with ReLU between them and a sigmoid at the end, one latent vector per
    gene, default initialisation of PyTorch. The published default does not train it (``decoder_train=0``).
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN // 2),
            nn.ReLU(),
            nn.Linear(HIDDEN // 2, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, n_spots),
            nn.Sigmoid(),
        )
        return np.asarray(decoder(torch.randn(n_genes, LATENT)).T.double().numpy())


def audit_scores(truth: pd.DataFrame, methods: dict[str, pd.DataFrame], *, seed: int = 0) -> pd.DataFrame:
    """Scores of every predictor with and without paste (`COLUMNS` without dataset and limit).

    Mean and sd over the genes that vary in the truth, for the primary metrics and for the compatibility
    metrics (those without a ``column``). ``truth`` is spots x test genes on the scale of ``X``; ``methods``
    are predictions by name, with the same spots and genes.
    """
    rng = np.random.default_rng(seed)
    true = truth.to_numpy(dtype=float)
    mask = draw_mask(true, rng)
    seen = np.where(mask, 0, true)
    means = seen.sum(axis=0) / np.maximum((seen != 0).sum(axis=0), 1)
    predictions = {
        f"constant {CONSTANT}": np.full(true.shape, CONSTANT),
        f"constant {CONSTANT} plus noise of 0.001": CONSTANT + 0.001 * rng.normal(size=true.shape),
        "untrained decoder": untrained_decoder(true.shape[1], true.shape[0], seed),
        ONLY_PASTED: np.broadcast_to(means, true.shape),
    }
    kinds = dict.fromkeys(predictions, "nothing learned") | dict.fromkeys(methods, "method")
    predictions |= {name: prediction.to_numpy(dtype=float) for name, prediction in methods.items()}

    metrics = REGISTRY.items().values()
    names = [name for name in default_metrics() if REGISTRY.get(name).primary]
    names += [metric.name for metric in metrics if metric.name.startswith(PUBLISHED)]
    frames = []
    for name, values in predictions.items():
        for pasted in (True,) if name == ONLY_PASTED else (False, True):
            shown = paste(true, values, mask) if pasted else values
            scores = score(truth, pd.DataFrame(shown, index=truth.index, columns=truth.columns), names)
            table = scores.agg(["mean", "std", "count"]).T.set_axis(["mean", "sd", "n_genes"], axis=1)
            table = table.rename_axis("metric").reset_index().astype({"n_genes": int})
            frames.append(table.assign(predictor=name, kind=kinds[name], pasted=pasted))
    return pd.concat(frames, ignore_index=True)[COLUMNS[2:]]


def audit(options: AuditOptions, reporter: Reporter | None = None) -> list[Audit]:
    """The audit of every dataset of ``options`` on its first split; the methods, if any, run as in a grid.

    ``options.out`` is the results folder of the methods. A method without a valid prediction for a dataset is
    left out of its table with a warning.
    """
    from stbench.data.cache import load
    from stbench.data.sources import catalogue, data_folders, select
    from stbench.data.split import make_splits
    from stbench.runs.benchmark import run

    datasets, notices = select(options.datasets, catalogue(data_folders(options.data)))
    predictions: dict[str, dict[str, pd.DataFrame]] = {}
    if options.methods:
        predictions = _predictions(run(options, reporter))
    else:
        for notice in notices:
            log.info(notice)
    found = []
    for dataset in datasets:
        pair = load(dataset.with_rules(**options.rules), options.limit)
        truth = frame(pair.spatial, make_splits(pair.genes, 1, options.split_seed)[0].test)
        own = predictions.get(dataset.name, {})
        methods = {name: table.loc[truth.index, truth.columns] for name, table in own.items()}
        scores = audit_scores(truth, methods, seed=options.split_seed)
        limit = str(options.limit)
        scores = scores.assign(dataset=dataset.name, limit=limit)[COLUMNS]
        nonzero = float((truth.to_numpy() != 0).mean())
        zero_share, pasted_share = 1 - nonzero, 1 - MASKED * nonzero
        causes = granger_tables(pair.reference, pair.genes)
        sizes = len(truth), truth.shape[1]
        found.append(Audit(dataset.name, limit, *sizes, zero_share, pasted_share, scores, causes))
    return found


def _predictions(summary: Summary) -> dict[str, dict[str, pd.DataFrame]]:
    """The predictions of the runs by dataset and method; a warning for each run without a prediction."""
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for manifest in summary.records.values():
        name = f"{manifest['label']} ({manifest['preset']})"
        if manifest["status"] != OK:
            outcome = f"{manifest['status']}: {manifest['reason']}"
            log.warning("Left out of the audit: %s on %s: %s", name, manifest["dataset"], outcome)
            continue
        table = read_h5ad(summary.results.run_folder(manifest["key"]) / "prediction.h5ad")
        found.setdefault(manifest["dataset"], {})[name] = table.to_df()
    return found
