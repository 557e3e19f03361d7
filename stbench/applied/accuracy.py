"""The accuracy to expect of a method on unmeasured genes, from its errors on hidden measured genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stbench.applied.choosing import LEVEL, SEED, Estimate, estimate, similarity
from stbench.applied.crossval import CrossValidation
from stbench.applied.reliability import expected_scores
from stbench.exchange.taskfolder import read_prediction
from stbench.metric import headline
from stbench.tables import dense

ERROR_VALUES = 2_000_000  # errors kept for the intervals, a seeded draw


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of a method on a pair in cross-validation.

    ``predicted`` are the values of hidden measured genes and ``errors`` truth minus prediction, both flat.
    ``scores`` has the ``similarity`` and ``pcc`` of every measured gene, ``overall`` is the mean PCC.
    """

    predicted: np.ndarray
    errors: np.ndarray
    scores: pd.DataFrame
    overall: Estimate

    def expected(self, similarities: pd.Series) -> pd.DataFrame:
        """The expected PCC of genes by their similarity, see `stbench.applied.reliability`."""
        return expected_scores(self.scores, similarities, LEVEL)


def accuracy(validation: CrossValidation, chosen: Mapping[int, str]) -> Accuracy:
    """The accuracy of the methods ``chosen`` (labels by rotation) in ``validation``.

    A method requested by name is the same in every rotation. For the best method, each rotation has the
    method chosen without its test genes, because the scores of the winner itself would be optimistic.
    """
    specs = [spec for spec in validation.specs if spec.label == chosen[spec.split.rotation]]
    predicted, errors, similarities = [], [], []
    for spec in specs:
        truth, genes = validation.pair.spatial, list(spec.split.test)
        file = validation.results.run_folder(spec.key) / "prediction.h5ad"
        values = read_prediction(file, list(truth.obs_names), genes).mean
        predicted.append(values.ravel())
        errors.append((dense(truth, genes) - values).ravel())
        similarities.append(similarity(validation.pair, spec.split.train + spec.split.val, genes))
    outer = validation.outer
    outer = outer[outer["method"] == outer["rotation"].map(chosen)].set_index("gene")
    scores = pd.DataFrame({"similarity": pd.concat(similarities), headline(): outer[headline()]}).dropna()
    values, wrong = np.concatenate(predicted), np.concatenate(errors)
    if len(values) > ERROR_VALUES:
        kept = np.random.default_rng(SEED).choice(len(values), ERROR_VALUES, replace=False)
        values, wrong = values[kept], wrong[kept]
    return Accuracy(values, wrong, scores, estimate(outer[headline()], outer["rotation"]))
