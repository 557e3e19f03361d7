"""The accuracy of a gene as stated beforehand, by its similarity to measured genes, and as found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stbench.metric import headline

FOLDS = 10
MIN_GENES = 5  # with known accuracy, to state that of others


@dataclass(frozen=True)
class Reliability:
    """How far the stated accuracy of genes was right.

    ``rank`` is the rank correlation over genes of stated and found accuracy (NaN where either is constant),
    ``inside`` the share of genes within their stated interval, whose nominal level is ``level``, and
    ``too_high`` the mean of stated minus found.
    """

    n_genes: int
    rank: float
    inside: float
    level: float
    too_high: float

    @classmethod
    def of(cls, genes: pd.DataFrame, level: float) -> Reliability:
        """That of the genes with columns of `expected_scores` and ``found``."""
        name, low, high = expected_columns()
        known = genes.dropna(subset=[name, "found"])
        inside = known["found"].between(known[low], known[high])
        ranks = known[[name, "found"]].rank()
        varies = len(ranks) > 1 and (ranks.nunique() > 1).all()
        rank = float(np.corrcoef(ranks.to_numpy().T)[0, 1]) if varies else np.nan
        return cls(
            len(known), rank, float(inside.mean()), level, float((known[name] - known["found"]).mean())
        )

    def __str__(self) -> str:
        if not self.n_genes:
            return "Accuracy per gene: too few measured genes to state it beforehand."
        return (
            f"Accuracy per gene, stated beforehand for {self.n_genes} hidden genes: rank correlation "
            f"{self.rank:.2f} with what was found; {self.inside:.0%} of the genes within their "
            f"{self.level:.0%} interval; stated minus found {self.too_high:+.3f} on average."
        )


def expected_scores(known: pd.DataFrame, similarities: pd.Series, level: float) -> pd.DataFrame:
    """``expected_pcc`` with ``expected_pcc_low`` and ``_high`` of genes by their ``similarity``.

    ``known`` has the ``similarity`` and ``pcc`` of genes whose accuracy is known. An isotonic regression of
    the PCC on the similarity to the nearest measured gene; the bounds are quantiles of its errors on genes
    left out of the fit (``level`` 0.9: 5 and 95 %). Below the lowest known similarity, a line to PCC 0 at
    similarity 0 continues the regression.
    """
    from sklearn.isotonic import IsotonicRegression
    from sklearn.model_selection import cross_val_predict

    line = IsotonicRegression(out_of_bounds="clip")
    inputs, pcc = known[["similarity"]].to_numpy(), known[headline()].to_numpy()
    folds = min(FOLDS, len(pcc))
    errors = pcc - cross_val_predict(line, inputs, pcc, cv=folds)
    low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2])
    line.fit(inputs, pcc)
    lowest = known["similarity"].min()
    share = similarities.to_numpy() / lowest if lowest > 0 else np.ones(len(similarities))
    expected = line.predict(similarities.to_numpy()) * np.clip(share, 0, 1)
    columns = np.column_stack([expected, expected + low, expected + high]).clip(-1, 1)
    return pd.DataFrame(columns, index=similarities.index, columns=expected_columns())


def expected_columns() -> list[str]:
    """The columns of `expected_scores`."""
    return [f"expected_{headline()}{end}" for end in ("", "_low", "_high")]
