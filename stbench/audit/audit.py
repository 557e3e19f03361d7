"""The published protocol, run on any dataset: what it scores with and without the truth in the answer.

The sampling code of CausalGeD (commit 8474310, ``model/sample.py``) and of SpaDiT (commit fc8a3f9) draws a
mask over 30 % of the non-zero entries of the test matrix and, after every step, the last one included,
replaces all other entries of the answer by the test matrix. Here the same replacement, `paste`, is done to
answers whose quality is known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stbench.config.options import AuditOptions
from stbench.files import read_h5ad
from stbench.metric import REGISTRY
from stbench.runs.events import Reporter
from stbench.runs.manifest import OK
from stbench.scoring.scores import score

if TYPE_CHECKING:
    from stbench.runs.benchmark import Summary

log = logging.getLogger(__name__)

MASKED = 0.3  # share of the non-zero entries that keep the prediction
CONSTANT = 0.5
LATENT, HIDDEN = 256, 1024  # sizes of the published decoder

COLUMNS = ["dataset", "limit", "predictor", "kind", "pasted", "metric", "mean", "sd", "n_genes"]


@dataclass(frozen=True, eq=False)
class Audit:
    """What the protocol scores on one dataset.

    ``scores`` has the columns `COLUMNS`; ``kind`` is ``nothing learned`` or ``method``. The shares are of the
    entries of the test matrix, spots x genes: those that are zero, and those that are truth after pasting.
    """

    dataset: str
    limit: str
    n_spots: int
    n_genes: int
    zero_share: float
    pasted_share: float
    scores: pd.DataFrame


def draw_mask(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Marks 30 % of the non-zero entries at random, (n_spots, n_genes) of bool."""
    nonzero = np.flatnonzero(truth)
    mask = np.zeros(truth.size, dtype=bool)
    mask[rng.choice(nonzero, round(MASKED * len(nonzero)), replace=False)] = True
    return mask.reshape(truth.shape)


def paste(truth: np.ndarray, prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The prediction where ``mask`` is set, the truth everywhere else."""
    return np.where(mask, prediction, truth)


def untrained_decoder(n_genes: int, n_spots: int, seed: int) -> np.ndarray:
    """Output of the published decoder with its random first weights on random latents, (n_spots, n_genes).

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
    metrics, which are those that are computed only when named.

    Parameters
    ----------
    truth
        Spots x test genes on the scale of ``X``.
    methods
        Predictions by name, each with the spots and genes of the truth.
    seed
        Of the mask, the noise and the decoder.
    """
    rng = np.random.default_rng(seed)
    true = truth.to_numpy(dtype=float)
    mask = draw_mask(true, rng)
    frames = []
    for predictor, kind, pasted, values in _answers(true, methods, mask, rng, seed):
        answer = pd.DataFrame(values, index=truth.index, columns=truth.columns)
        scores = score(truth, answer, _metrics())
        table = scores.agg(["mean", "std", "count"]).T.set_axis(["mean", "sd", "n_genes"], axis=1)
        table = table.rename_axis("metric").reset_index().astype({"n_genes": int})
        frames.append(table.assign(predictor=predictor, kind=kind, pasted=pasted))
    return pd.concat(frames, ignore_index=True)[COLUMNS[2:]]


def _answers(
    truth: np.ndarray, methods: dict[str, pd.DataFrame], mask: np.ndarray, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, str, bool, np.ndarray]]:
    """Every answer to score: name, kind, whether the truth was pasted into it, values."""
    nothing = {
        f"constant {CONSTANT}": np.full(truth.shape, CONSTANT),
        f"constant {CONSTANT} plus noise of 0.001": CONSTANT + 0.001 * rng.normal(size=truth.shape),
        "untrained decoder": untrained_decoder(truth.shape[1], truth.shape[0], seed),
    }
    for name, values in nothing.items():
        yield name, "nothing learned", False, values
        yield name, "nothing learned", True, paste(truth, values, mask)
    seen = np.where(mask, 0, truth)
    means = seen.sum(axis=0) / np.maximum((seen != 0).sum(axis=0), 1)
    means = np.broadcast_to(means, truth.shape)
    yield "gene's mean of the pasted non-zeros", "nothing learned", True, paste(truth, means, mask)
    for name, prediction in methods.items():
        values = prediction.to_numpy(dtype=float)
        yield name, "method", False, values
        yield name, "method", True, paste(truth, values, mask)


def _metrics() -> list[str]:
    """Primary metrics in the order of their columns, then the compatibility metrics by name."""
    items = REGISTRY.items().values()
    primary = sorted((m for m in items if m.primary), key=lambda m: m.column or 0)
    return [m.name for m in primary] + [m.name for m in items if m.column is None]


def audit(options: AuditOptions, reporter: Reporter | None = None) -> list[Audit]:
    """The audit of every dataset of ``options`` on its first split; its methods, if any, run as in a grid.

    ``options.out`` is the results folder of the methods. A method without a valid prediction is left out of
    the table of that dataset with a warning.
    """
    from stbench.data.cache import load
    from stbench.data.sources import catalogue, data_folders, select
    from stbench.data.split import make_splits
    from stbench.runs.benchmark import run
    from stbench.tables import dense

    datasets, notices = select(options.datasets, catalogue(data_folders(options.data)))
    predictions: dict[str, dict[str, pd.DataFrame]] = {}
    if options.methods:
        predictions = _predictions(run(options, reporter))
    else:
        for notice in notices:
            log.info(notice)
    found = []
    for dataset in datasets:
        pair = load(dataset, options.limit)
        genes = list(make_splits(pair.genes, 1, options.split_seed)[0].test)
        truth = pd.DataFrame(dense(pair.spatial, genes), index=pair.spatial.obs_names, columns=genes)
        methods = {
            name: table.loc[truth.index, genes] for name, table in predictions.get(dataset.name, {}).items()
        }
        scores = audit_scores(truth, methods, seed=options.split_seed)
        scores = scores.assign(dataset=dataset.name, limit=str(options.limit))[COLUMNS]
        nonzero = float((truth.to_numpy() != 0).mean())
        found.append(
            Audit(
                dataset.name,
                str(options.limit),
                n_spots=len(truth),
                n_genes=len(genes),
                zero_share=1 - nonzero,
                pasted_share=1 - MASKED * nonzero,
                scores=scores,
            )
        )
    return found


def _predictions(summary: Summary) -> dict[str, dict[str, pd.DataFrame]]:
    """The predictions of the runs by dataset and name of the method; a warning for each run without one."""
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
