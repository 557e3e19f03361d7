"""Speed of scoring, as ratios from one run: the whole-table metrics against two ways of going gene by gene.

``columns`` is how published benchmark code scores: tables of pandas columns, each scaled gene by gene and
joined to a growing table, then one call and one more join per gene and metric. Its time grows with the
square of the genes. ``loop`` is the plain alternative: the same formulas on numpy columns in one loop.
All three must agree to 1e-8.

    python benchmarks/scoring.py --spots 5000 --genes 1000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import entropy, zscore

from stbench.scoring.scores import score

METRICS = ["pcc", "ssim", "rmse", "js"]


def ssim(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Global structural similarity of two columns that were divided by their maximum."""
    c1, c2 = 0.01**2, 0.03**2
    mean_t, mean_p, sd_t, sd_p = truth.mean(), prediction.mean(), truth.std(), prediction.std()
    covariance = ((truth - mean_t) * (prediction - mean_p)).mean()
    luminance = (2 * mean_t * mean_p + c1) / (mean_t**2 + mean_p**2 + c1)
    contrast = (2 * sd_t * sd_p + c2) / (sd_t**2 + sd_p**2 + c2)
    return luminance * contrast * (covariance + c2 / 2) / (sd_t * sd_p + c2 / 2)


def js(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Jensen-Shannon divergence of two columns that sum to one."""
    middle = (truth + prediction) / 2
    return (entropy(truth, middle) + entropy(prediction, middle)) / 2


def rmse(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Root mean square difference of two columns of z-scores."""
    return np.sqrt(((truth - prediction) ** 2).mean())


def pcc(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Pearson correlation of two columns."""
    return np.corrcoef(truth, prediction)[0, 1]


# scaling of a column, formula of two columns
FORMULAS: dict[str, tuple[Callable, Callable]] = {
    "pcc": (lambda column: column, pcc),
    "ssim": (lambda column: column.clip(0) / column.clip(0).max(), ssim),
    "rmse": (zscore, rmse),
    "js": (lambda column: column.clip(0) / column.clip(0).sum(), js),
}


def by_columns(truth: pd.DataFrame, prediction: pd.DataFrame) -> pd.DataFrame:
    """Scores, one row per gene, from tables that grow by one pandas column at a time."""

    def scaled(table: pd.DataFrame, scale: Callable) -> pd.DataFrame:
        result = pd.DataFrame()
        for gene, column in table.items():
            result = pd.concat([result, pd.DataFrame({gene: scale(column)})], axis=1)
        return result

    rows = []
    for name, (scale, formula) in FORMULAS.items():
        true, predicted = (table if name == "pcc" else scaled(table, scale) for table in (truth, prediction))
        row = pd.DataFrame()
        for gene in true.columns:
            value = formula(true[gene].to_numpy(), predicted[gene].to_numpy())
            row = pd.concat([row, pd.DataFrame({gene: value}, index=[name])], axis=1)
        rows.append(row)
    return pd.concat(rows).T


def by_loop(truth: pd.DataFrame, prediction: pd.DataFrame) -> pd.DataFrame:
    """Scores, one row per gene, from a loop over numpy columns."""
    columns = zip(truth.to_numpy().T, prediction.to_numpy().T, strict=True)
    scores = [[formula(scale(t), scale(p)) for scale, formula in FORMULAS.values()] for t, p in columns]
    return pd.DataFrame(scores, index=truth.columns, columns=list(FORMULAS))


def simulated(n_spots: int, n_genes: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Truth and a noisy prediction, log counts with many zeros."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 2, size=n_genes), size=(n_spots, n_genes))
    counts[0] += 1  # no gene is constant
    genes = [f"gene{i}" for i in range(n_genes)]
    truth = pd.DataFrame(np.log1p(counts), columns=genes)
    return truth, truth + rng.normal(scale=0.5, size=truth.shape)


def timed(function: Callable, *arguments: object) -> tuple[float, pd.DataFrame]:
    """CPU seconds and result of one call; other work on the machine does not count."""
    start = time.process_time()
    result = function(*arguments)
    return time.process_time() - start, result


def main() -> None:
    """Time the three ways on the same tables, check that they agree, print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spots", type=int, default=5000)
    parser.add_argument("--genes", type=int, default=1000)
    options = parser.parse_args()

    tables = simulated(options.spots, options.genes)
    score(*simulated(10, 3), METRICS)  # the imports of the metrics are not scoring
    seconds, scores = timed(score, *tables, METRICS)
    print(f"{options.spots} spots x {options.genes} genes, {', '.join(METRICS)}\n")
    print("| way | CPU seconds | times slower |\n|---|---|---|")
    print(f"| stbench | {seconds:.2f} | 1 |")
    for name, way in (("loop", by_loop), ("columns", by_columns)):
        slower, other = timed(way, *tables)
        difference = np.abs(other[METRICS].to_numpy(dtype=float) - scores.to_numpy()).max()
        if difference > 1e-8:
            raise SystemExit(f"'{name}' differs from stbench by {difference:.1e}")
        print(f"| {name} | {slower:.2f} | {slower / seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
