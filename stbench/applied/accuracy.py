"""The accuracy to expect of a method on unmeasured genes, from its errors on hidden measured genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stbench.applied.choosing import LEVEL, SEED, Estimate, estimate, similarity
from stbench.applied.crossval import CrossValidation
from stbench.exchange.taskfolder import read_prediction
from stbench.metric import headline
from stbench.tables import dense

FOLDS = 10
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
        """``expected_pcc`` with ``expected_pcc_low`` and ``_high`` of genes by their ``similarity``.

        An isotonic regression of the PCC of the measured genes on their similarity to the nearest measured
        gene; the bounds are the 5 and 95 % quantiles of its errors on genes left out of the fit. Below the
        lowest similarity of a measured gene, a line to PCC 0 at similarity 0 continues the regression.
        """
        from sklearn.isotonic import IsotonicRegression
        from sklearn.model_selection import cross_val_predict

        line, known = IsotonicRegression(out_of_bounds="clip"), self.scores
        inputs, pcc = known[["similarity"]].to_numpy(), known[headline()].to_numpy()
        folds = min(FOLDS, len(pcc))
        errors = pcc - cross_val_predict(line, inputs, pcc, cv=folds)
        low, high = np.quantile(errors, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        line.fit(inputs, pcc)
        lowest = known["similarity"].min()
        share = similarities.to_numpy() / lowest if lowest > 0 else np.ones(len(similarities))
        expected = line.predict(similarities.to_numpy()) * np.clip(share, 0, 1)
        columns = {"": expected, "_low": expected + low, "_high": expected + high}
        return pd.DataFrame(
            {f"expected_{headline()}{name}": np.clip(values, -1, 1) for name, values in columns.items()},
            index=similarities.index,
        )


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
